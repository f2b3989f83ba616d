// Runs a command with its output in /dev/null and tells what it cost: wall time from fork to the end, and the largest
// resident set. A small program does this because the kernel counts the resident set of whoever forks into the child's
// (getrusage(2): ru_maxrss survives execve), and because it can hand down its scheduling class.
//
// usage: clock once|loop CORE COMMAND...      CORE: run there, - anywhere
// `once` prints `NANOSECONDS KIB STATUS fifo|other`. `loop` prints `looping`, runs the command again and again until its
// standard input is closed, and prints `RUNS FAILED STATUS` (STATUS: the last one that was not 0).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct cost {
    uint64_t nanoseconds;
    long kib;
    int status; // as a shell says it
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void child(char **command) {
    // Nobody outlives the benchmark, whatever ends it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    execvp(command[0], command);
    fprintf(stderr, "clock: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static struct cost run(char **command) {
    uint64_t begin = now();
    pid_t pid = fork();
    if (pid == 0)
        child(command);
    struct cost cost = {0, 0, 126};
    int status;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return cost;
    cost.nanoseconds = now() - begin;
    cost.kib = usage.ru_maxrss;
    cost.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return cost;
}

static int input_closed(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void loop(char **command) {
    long runs = 0, failed = 0;
    int status = 0;
    puts("looping");
    do {
        struct cost cost = run(command);
        runs++;
        if (cost.status != 0) {
            failed++;
            status = cost.status;
        }
    } while (!input_closed());
    printf("%ld %ld %d\n", runs, failed, status);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: clock once|loop CORE COMMAND...\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(argv[2], "-") != 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(atoi(argv[2]), &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    struct sched_param priority = {.sched_priority = 5};
    int fifo = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    if (strcmp(argv[1], "loop") == 0) {
        loop(argv + 3);
        return 0;
    }
    struct cost cost = run(argv + 3);
    printf("%llu %ld %d %s\n", (unsigned long long)cost.nanoseconds, cost.kib, cost.status,
           fifo ? "fifo" : "other");
    return 0;
}

/* truth FOLDER [TMPFS-FOLDER]: a process with memory of every sort and a forked child; both say what they did and stop. The last
   thing it does is malloc_stats(3), on standard error. */
#include "truth.h"
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

int main(int count, char **words)
{
    must(count >= 2, "usage: truth FOLDER [TMPFS-FOLDER]");
    page = (size_t)sysconf(_SC_PAGESIZE);
    folder = words[1];
    shm_folder = count > 2 ? words[2] : NULL;

    make_common();
    pid_t parent = getpid(), child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        use_common(1);
        say_common(1);
        stand_still();
    }
    int status;
    must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "the child stops");
    use_common(0);
    say_common(0);
    make_regions();
    make_images();
    use_heap(0);
    make_threads();
    say("{\"ready\":%d,\"child\":%d}", getpid(), child);
    malloc_stats();
    stand_still();
}

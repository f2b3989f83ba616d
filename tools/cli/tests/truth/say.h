/* What the programs of these tests say of themselves: one JSON object a line, on standard output, without malloc. Sizes
   are bytes. The Rust side (harness.rs) compares each line with what `vmmap --json` says. */
#ifndef SAY_H
#define SAY_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

/* From linux/mman.h and asm-generic/mman-common.h of kernels newer than the C library may be. */
enum { GUARD_INSTALL = 102, DROPPABLE = 0x08, PAGEOUT = 21 };
enum { NR_MSEAL = 462 };

/* A line. One write(2) of less than PIPE_BUF, so that lines of two processes do not mix. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A region that this process made, and in JSON what must be reported of it. */
void region(const char *name, const void *start, size_t size, const char *expect, ...)
    __attribute__((format(printf, 4, 5)));
/* An address, and what must be reported of the region that holds it. */
void inside(const char *name, const void *at, const char *expect, ...) __attribute__((format(printf, 3, 4)));
/* Something that this kernel or this user cannot have. */
void lacks(const char *name, int error);
/* The end of the program, for what must not fail. */
void must(int holds, const char *what);

/* The next place of its own: nothing else is within half a GiB, so that no two mappings merge. 2 MiB aligned. */
void *place(void);
/* Private anonymous memory at a place of its own. */
char *anonymous(size_t size, int protection);
/* Write, or only read, one byte of each of these pages. */
void touch(char *at, size_t pages);
void look_at(const char *at, size_t pages);
/* A new file of this many pages in the folder; each page is written. */
int new_file(const char *path, size_t pages);
/* Wait stopped, until somebody ends this process. */
void stand_still(void);

extern size_t page;
extern const char *folder;
/* On tmpfs; NULL if there is none. */
extern const char *shm_folder;

#endif

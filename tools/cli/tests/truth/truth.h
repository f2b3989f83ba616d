/* The parts of the program `truth`. Each makes its memory and says what must be reported of it. */
#ifndef TRUTH_H
#define TRUTH_H

#include "say.h"

/* regions.c */
void make_common(void);
void use_common(int is_child);
void say_common(int is_child);
void make_regions(void);
/* images.c */
void make_images(void);
/* threads.c: they use malloc (heap.c) and wait. */
void make_threads(void);
/* heap.c */
void use_heap(unsigned seed);

#endif

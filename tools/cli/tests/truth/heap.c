/* Memory from malloc in many sizes, a part of it given back, so that every list of glibc's has something: tcache, fastbins, unsorted,
   small and large bins, top, and chunks with a mapping of their own. */
#include "truth.h"

enum { BLOCKS = 4000 };

void use_heap(unsigned seed)
{
    char **blocks = malloc(BLOCKS * sizeof *blocks);
    must(blocks != NULL, "malloc");
    unsigned random = seed * 7919 + 12345;
    for (int i = 0; i < BLOCKS; i++) {
        random = random * 1103515245 + 12345;
        size_t size = 16 + (random >> 16) % (i % 50 == 0 ? 20000 : i % 3 == 0 ? 1500 : 100);
        blocks[i] = malloc(size);
        must(blocks[i] != NULL, "malloc");
        memset(blocks[i], 1, size);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (i % 4 == 0 || (i > 1000 && i < 1400)) free(blocks[i]);
    /* More than M_MMAP_THRESHOLD. Two, for neighbours merge into one mapping. */
    for (int i = 0; i < 2; i++) {
        char *large = malloc(700000);
        must(large != NULL, "malloc");
        memset(large, 1, 100000);
    }
}

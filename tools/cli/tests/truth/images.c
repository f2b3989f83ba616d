/* Loaded ELF files: the program itself, a library, one that was deleted since, and one that another file replaced. */
#include "truth.h"
#include <dlfcn.h>

extern const char image_constants[];
extern int image_data[];
extern char image_zeros[];
extern int (*const image_table[])(void);

static void say_image(const char *fate, const char *path, const char *mark, const char *constants, char *data, char *zeros,
                      int (*const *table)(void))
{
    const struct {
        const char *type, *section, *protection;
        const void *at;
    } parts[] = {
        {"text", ".text", "r-x", (const void *)(uintptr_t)table[0]},
        {"rodata", ".rodata", "r--", constants + 65536},
        {"relro", ".data.rel.ro", "r--", table},
        {"data", ".data", "rw-", data + 65536},
        {"bss", ".bss", "rw-", zeros + 2 * 65536},
    };
    data[65536] = zeros[2 * 65536] = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s of %s", parts[i].type, fate);
        inside(name, parts[i].at,
               "\"type\":\"%s\",\"section\":\"%s\",\"protection\":\"%s\",\"shared\":false,\"is_guess\":false,"
               "\"detail_has\":\"%s%s\"",
               parts[i].type, parts[i].section, parts[i].protection, path, mark);
    }
}

static void say_library(const char *fate, const char *path, const char *mark, void *library)
{
    say_image(fate, path, mark, dlsym(library, "image_constants"), dlsym(library, "image_data"),
              dlsym(library, "image_zeros"), dlsym(library, "image_table"));
}

/* FOLDER has libstays.so, libdeleted.so, libreplaced.so and libnew.so. */
void make_images(void)
{
    char path[512], other[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    must(length > 0, "/proc/self/exe");
    path[length] = 0;
    say_image("the program", path, "", image_constants, (char *)image_data, image_zeros, image_table);

    const char *fates[] = {"stays", "deleted", "replaced"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/lib%s.so", folder, fates[i]);
        void *library = dlopen(path, RTLD_NOW);
        must(library != NULL, path);
        if (i == 1) must(unlink(path) == 0, path);
        if (i == 2) {
            snprintf(other, sizeof other, "%s/libnew.so", folder);
            must(rename(other, path) == 0, path);
        }
        say_library(fates[i], path, i == 1 ? " (deleted)" : "", library);
    }
}

/* One of each kind of data that an ELF file can hold. Linked into the program, and built as the libraries that it loads. */
const char image_constants[4 * 65536] = {1, 2, 3};
int image_data[4 * 65536] = {1, 2, 3};
char image_zeros[4 * 65536];
static int image_code(void) { return image_data[1]; }
/* Addresses: the loader writes them, then makes them read-only. */
int (*const image_table[4])(void) = {image_code, image_code, image_code, image_code};

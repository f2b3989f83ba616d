/* adder: prints the sum of two numbers, from its arguments or, without any, from standard input. */
#include "guest.h"

/* A decimal number, with or without a sign, up to a blank or the text's end; 0 says that it is none. */
static int number(const char **text, i64 *value)
{
    const char *s = *text;
    while (*s == ' ' || *s == '\t' || *s == '\n') s++;
    int negative = *s == '-';
    if (*s == '-' || *s == '+') s++;
    if (*s < '0' || *s > '9') return 0;
    i64 sum = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(sum, 10, &sum)) return 0;
        if (__builtin_sub_overflow(sum, *s - '0', &sum)) return 0;
    }
    if (*s && *s != ' ' && *s != '\t' && *s != '\n') return 0;
    if (!negative && __builtin_sub_overflow(0, sum, &sum)) return 0;
    *text = s;
    *value = sum;
    return 1;
}

int main(int argc, char **argv)
{
    static char input[256];
    const char *first = input, *second;
    i64 a, b, sum;
    if (argc == 3) {
        first = argv[1];
    } else if (argc == 1) {
        u64 used = 0;
        i64 got;
        while (used < sizeof input - 1 && (got = SYS(read, 0, input + used, sizeof input - 1 - used, 0, 0, 0)) > 0)
            used += (u64)got;
    } else {
        die(2, "adder", "give two whole numbers, as arguments or on standard input");
    }
    if (!number(&first, &a)) die(2, "adder", "the first is not a whole number of 64 bits");
    second = argc == 3 ? argv[2] : first;
    if (!number(&second, &b)) die(2, "adder", "the second is not a whole number of 64 bits");
    if (__builtin_add_overflow(a, b, &sum)) die(2, "adder", "the sum does not fit in 64 bits");
    put_number(sum);
    put("\n");
    return 0;
}

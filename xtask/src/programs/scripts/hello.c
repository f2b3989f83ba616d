#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree { struct tree *left, *right; int value; };

static struct tree *add(struct tree *t, int value) {
    if (!t) {
        t = calloc(1, sizeof *t);
        t->value = value;
    } else if (value < t->value)
        t->left = add(t->left, value);
    else
        t->right = add(t->right, value);
    return t;
}

static int depth(const struct tree *t) {
    if (!t) return 0;
    int l = depth(t->left), r = depth(t->right);
    return 1 + (l > r ? l : r);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
    struct tree *t = NULL;
    unsigned x = 1;
    for (int i = 0; i < 5000; i++) t = add(t, (x = x * 1103515245 + 12345) >> 8);
    printf("depth %d, %s, %.6f\n", depth(t), strchr("abc", 98), 2.0 * argc / 3);
    return 0;
}

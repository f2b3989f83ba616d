#include "library.h"
#include <math.h>

static _Thread_local int calls;

double NAME(int n) {
    double sum = 0;
    for (int i = 1; i <= n; i++) sum += sqrt(i) / (i + calls);
    calls++;
    return sum;
}

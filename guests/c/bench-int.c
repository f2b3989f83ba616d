/* bench-int: integer code without system calls, for the machine's speed: a SHA-256, a sieve, a bytecode loop, a pointer
   chase. Usage: bench-int sha|sieve|vm|chase ROUNDS. The checksum goes to standard output, the nanoseconds to standard
   error. */
#include "guest.h"
#include "clock.h"

static u32 rotate(u32 value, int by) { return value >> by | value << (32 - by); }

/* FIPS 180-4, 4.2.2: computed, not tabled: the fractional parts of the cube roots of the first 64 primes. */
static u32 constants[64];

static u64 root3_fraction(u64 prime)
{
    /* The largest x with x^3 <= prime * 2^96: x is the cube root scaled by 2^32. */
    unsigned __int128 low = 0, high = (unsigned __int128)8 << 32;
    while (high - low > 1) {
        unsigned __int128 middle = (low + high) / 2, square = middle * middle;
        /* square < 2^70, so square * middle / 2^32 / 2^32 is found without overflow in two steps. */
        unsigned __int128 cube = (square >> 32) * middle + (((square & 0xffffffff) * middle) >> 32);
        if (cube >> 64 >= prime) high = middle;
        else low = middle;
    }
    return (u64)low;
}
static void make_constants(void)
{
    int found = 0;
    for (u64 n = 2; found < 64; n++) {
        int prime = 1;
        for (u64 d = 2; d * d <= n; d++) prime &= n % d != 0;
        if (prime) constants[found++] = (u32)root3_fraction(n);
    }
}
static void compress(u32 state[8], const u32 block[16])
{
    u32 w[64], s[8];
    for (int i = 0; i < 16; i++) w[i] = block[i];
    for (int i = 16; i < 64; i++) {
        u32 a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 8; i++) s[i] = state[i];
    for (int i = 0; i < 64; i++) {
        u32 e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        u32 a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        u32 one = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
        u32 two = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + one;
        s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}
/* One round hashes 64 KiB that the round before left. */
static u64 sha(u64 rounds)
{
    static u32 block[16];
    u32 state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    make_constants();
    for (u64 i = 0; i < rounds * 1024; i++) {
        block[i & 15] ^= state[i & 7];
        compress(state, block);
    }
    return (u64)state[0] << 32 | state[1];
}

/* One round finds the primes below 2^20. */
static u64 sieve(u64 rounds)
{
    static u8 composite[1 << 20];
    u64 found = 0;
    while (rounds--) {
        for (u64 i = 0; i < sizeof composite; i++) composite[i] = 0;
        for (u64 i = 2; i < sizeof composite; i++) {
            if (composite[i]) continue;
            found++;
            for (u64 j = i * i; j < sizeof composite; j += i) composite[j] = 1;
        }
    }
    return found;
}

/* One round runs 2^20 turns of a loop of six byte codes in a switch interpreter: a Collatz walk. */
enum { PUSH_STATE, IS_ODD, JUMP_IF_EVEN, TRIPLE, HALVE, LOOP };
static u64 vm(u64 rounds)
{
    static const u8 program[] = {PUSH_STATE, IS_ODD, JUMP_IF_EVEN, TRIPLE, HALVE, LOOP};
    u64 state = 27, top = 0, left = rounds << 20, pc = 0, sum = 0;
    for (;;) {
        switch (((const volatile u8 *)program)[pc++]) {
        case PUSH_STATE: top = state; break;
        case IS_ODD: top &= 1; break;
        case JUMP_IF_EVEN: pc += !top; break;
        case TRIPLE: state = state * 3 + 1; break;
        case HALVE: state >>= 1; break;
        case LOOP:
            if (state <= 1) state = 27 + (sum & 0xffff);
            sum += state;
            pc = 0;
            if (!--left) return sum;
        }
    }
}

/* One round follows 2^18 pointers through 1 MiB in an order that visits every element. */
static u64 chase(u64 rounds)
{
    static u32 next[1 << 18];
    u32 at = 0;
    u64 sum = 0;
    for (u32 i = 0; i < 1 << 18; i++) next[i] = (i * 5 + 12345) & ((1 << 18) - 1);
    for (u64 left = rounds << 18; left; left--) {
        at = ((volatile u32 *)next)[at];
        sum = sum * 3 + at;
    }
    return sum;
}

int main(int argc, char **argv)
{
    u64 (*kernel)(u64) = 0, rounds = argc == 3 ? whole_number(argv[2]) : 0;
    if (argc == 3 && equal(argv[1], "sha")) kernel = sha;
    if (argc == 3 && equal(argv[1], "sieve")) kernel = sieve;
    if (argc == 3 && equal(argv[1], "vm")) kernel = vm;
    if (argc == 3 && equal(argv[1], "chase")) kernel = chase;
    if (!kernel || !rounds) die(2, "bench-int", "usage: bench-int sha|sieve|vm|chase ROUNDS");
    u64 start = now();
    u64 checksum = kernel(rounds);
    u64 elapsed = now() - start;
    put(argv[1]);
    put(" ");
    put_number((i64)rounds);
    put(" rounds: ");
    put_hex(checksum);
    put("\n");
    tell_time(rounds, elapsed);
    return 0;
}

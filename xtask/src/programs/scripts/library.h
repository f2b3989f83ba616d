#ifndef NAME
#define NAME shared_part
#endif
double shared_part(int n);
double static_part(int n);

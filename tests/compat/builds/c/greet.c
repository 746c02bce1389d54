#include <stdio.h>

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        perror(argc > 1 ? argv[1] : "greet");
        return 1;
    }
    for (int c; (c = getc(file)) != EOF;) putchar(c);
    return 0;
}

/* Streams of the C library on a tape. The blocks of the tape are "one\ntwo\n", a filemark, "three\n", a filemark. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const TAPE = "/dev/nst0";

static void check(int is_done, const char *what)
{
    if (!is_done) {
        perror(what);
        exit(1);
    }
}

/* Prints the next lines of a stream, with blanks between them. */
static void lines(FILE *stream, int count)
{
    char line[100];
    for (int i = 0; i < count && fgets(line, sizeof line, stream); i++) {
        line[strcspn(line, "\n")] = 0;
        printf("%s%s", i ? " " : "", line);
    }
}

static void fdopen_for_reading(void)
{
    FILE *stream = fdopen(open(TAPE, O_RDONLY), "r");
    char bytes[6];
    check(stream != NULL, "fdopen");
    printf("number %d: ", fileno(stream));
    /* A part of a line with fread, the rest with the macro. */
    check(fread(bytes, 1, 5, stream) == 5, "fread");
    bytes[3] = ' ';
    fwrite(bytes, 1, 5, stdout);
    for (int c; (c = getc_unlocked(stream)) != EOF;)
        putchar(c == '\n' ? ' ' : c);
    printf("%s ", feof_unlocked(stream) ? "end of file" : "error");
    printf("%d\n", fclose(stream));
}

static void getline_over_filemarks(void)
{
    FILE *stream = fopen(TAPE, "r");
    char *line = NULL;
    size_t size = 0;
    for (int files = 0; files < 2; files++, clearerr(stream)) {
        while (getline(&line, &size, stream) > 0)
            printf("%.*s ", (int)strcspn(line, "\n"), line);
        printf("(end)%s", files ? "\n" : " ");
    }
}

static void dup2_of_standard_input(void)
{
    int before = dup(0), tape = open(TAPE, O_RDONLY);
    char word[10];
    check(dup2(tape, 0) == 0 && close(tape) == 0, "dup2");
    check(scanf("%9s", word) == 1, "scanf");
    printf("%s ", word);
    getchar();
    lines(stdin, 1);
    check(dup2(before, 0) == 0, "dup2");
    printf(" ");
    lines(stdin, 1);
    puts("");
}

static void output(void)
{
    check(freopen(TAPE, "w", stdout) != NULL, "freopen");
    puts("first of output");
    fflush(stdout);
    puts("last of output");
}

static void writing(void)
{
    FILE *stream = fdopen(open(TAPE, O_WRONLY), "w");
    errno = 0;
    check(fdopen(fileno(stream), "r") == NULL && errno == EINVAL, "fdopen of the wrong mode");
    fputs("a line\n", stream);
    fflush(stream);
    fprintf(stream, "%s line\n", "second");
    int number = fileno(stream);
    printf("number %d, closed %d\n", number, fclose(stream));
}

static void other_stream(void)
{
    FILE *stream = fopen("file", "r");
    check(dup2(open(TAPE, O_RDONLY), fileno(stream)) >= 0, "dup2");
    check(getc(stream) == EOF, "getc");
    printf("end of file %d error %d\n", feof(stream) != 0, ferror(stream) != 0);
}

static void large_block(void)
{
    FILE *stream = fopen(TAPE, "r");
    check(getc(stream) == EOF, "getc");
    printf("error %d %s\n", ferror(stream) != 0, strerror(errno));
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "fdopen"))
        fdopen_for_reading();
    else if (!strcmp(what, "getline"))
        getline_over_filemarks();
    else if (!strcmp(what, "dup2"))
        dup2_of_standard_input();
    else if (!strcmp(what, "freopen-input")) {
        check(freopen(TAPE, "r", stdin) != NULL, "freopen");
        lines(stdin, 2);
        puts("");
    } else if (!strcmp(what, "freopen-other")) {
        FILE *stream = freopen(TAPE, "r", fopen("file", "r"));
        check(stream != NULL, "freopen");
        lines(stream, 3);
        puts(" (end)");
    } else if (!strcmp(what, "inherited")) {
        check(dup2(3, 0) == 0, "dup2");
        lines(stdin, 2);
        puts("");
    } else if (!strcmp(what, "write"))
        writing();
    else if (!strcmp(what, "output"))
        output();
    else if (!strcmp(what, "other"))
        other_stream();
    else
        large_block();
    return 0;
}

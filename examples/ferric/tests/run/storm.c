/* Many processes write to one open tape: 500 children, and 500 programs that get the descriptor by exec. Each writes one
   block of another length. Then 32 threads open, use and close devices. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mtio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 1000, AT_ONCE = 24, THREADS = 32, SHORTEST = 100 };

static void check(int is_done, const char *what)
{
    if (!is_done) {
        perror(what);
        _exit(1);
    }
}

static void write_block(int tape, int number)
{
    char block[SHORTEST + PROCESSES * 8];
    memset(block, number & 0xff, sizeof block);
    size_t length = SHORTEST + number * 8;
    check(write(tape, block, length) == (ssize_t)length, "write");
}

static void wait_for_child(void)
{
    int status;
    check(wait(&status) > 0 && status == 0, "child");
}

static void processes(int tape, char *program)
{
    for (int number = 0; number < PROCESSES; number++) {
        if (number >= AT_ONCE)
            wait_for_child();
        pid_t child = fork();
        check(child >= 0, "fork");
        if (child > 0)
            continue;
        if (number % 2 == 0) {
            write_block(tape, number);
            _exit(0);
        }
        char descriptor[12], text[12];
        sprintf(descriptor, "%d", tape);
        sprintf(text, "%d", number);
        execl(program, program, descriptor, text, (char *)NULL);
        check(0, "exec");
    }
    for (int number = 0; number < AT_ONCE; number++)
        wait_for_child();
}

static void read_blocks(int tape)
{
    struct mtop rewind = { MTREW, 1 };
    static char seen[PROCESSES], block[1 << 16];
    check(ioctl(tape, MTIOCTOP, &rewind) == 0, "rewind");
    for (int count = 0; count < PROCESSES; count++) {
        ssize_t length = read(tape, block, sizeof block);
        int number = (length - SHORTEST) / 8;
        check(length >= SHORTEST && number < PROCESSES && !seen[number]++, "block");
        for (ssize_t at = 0; at < length; at++)
            check(block[at] == (char)number, "data");
    }
    check(read(tape, block, sizeof block) == 0, "filemark");
    printf("%d blocks\n", PROCESSES);
}

/* Only one thread at a time can have the tape; the others get EBUSY. */
static void *use_devices(void *count)
{
    for (int round = 0; round < 20; round++) {
        int version = 0, generic = open("/dev/sg1", O_RDWR);
        check(generic >= 0 && ioctl(generic, SG_GET_VERSION_NUM, &version) == 0 && version == 30536, "sg");
        int other = dup(generic);
        check(close(generic) == 0 && ioctl(other, SG_GET_VERSION_NUM, &version) == 0 && close(other) == 0, "dup");
        int tape = open("/dev/st0", O_RDONLY);
        check(tape >= 0 || errno == EBUSY, "open");
        char block[1 << 16];
        if (tape >= 0) {
            check(read(tape, block, sizeof block) >= 0 && close(tape) == 0, "tape");
            __atomic_fetch_add((int *)count, 1, __ATOMIC_RELAXED);
        }
        int file = open("/dev/zero", O_RDONLY);
        check(file >= 0 && read(file, block, 100) == 100 && close(file) == 0, "file");
    }
    return NULL;
}

int main(int count, char **arguments)
{
    if (count == 3) {
        write_block(atoi(arguments[1]), atoi(arguments[2]));
        return 0;
    }
    if (count == 1) {
        int tape = open("/dev/nst0", O_RDWR);
        check(tape >= 0, "open");
        processes(tape, arguments[0]);
        read_blocks(tape);
        check(close(tape) == 0, "close");
    }
    pthread_t threads[THREADS];
    int opened = 0;
    for (int number = 0; number < THREADS; number++)
        check(pthread_create(&threads[number], NULL, use_devices, &opened) == 0, "thread");
    for (int number = 0; number < THREADS; number++)
        pthread_join(threads[number], NULL);
    check(opened > 0, "no thread had the tape");
    puts("threads have ended");
    return 0;
}

/* Sixteen threads use one open tape, and open, duplicate and close other devices, directories and streams. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mtio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 16, ROUNDS = 40, LARGE = 8192, SMALL = 512 };

static int tape;

static void check(int is_done, const char *what)
{
    if (!is_done) {
        perror(what);
        _exit(1);
    }
}

static void use_tape(int round)
{
    char block[LARGE] = {0};
    size_t length = round % 2 ? SMALL : LARGE;
    check(write(tape, block, length) == (ssize_t)length, "write");
    struct mtget status;
    check(ioctl(tape, MTIOCGET, &status) == 0, "MTIOCGET");
    struct stat found;
    check(fstat(tape, &found) == 0 && S_ISCHR(found.st_mode), "fstat");
}

static void use_changer(void)
{
    int changer = open("/dev/sg0", O_RDWR | O_CLOEXEC);
    check(changer >= 0, "open");
    int copy = dup(changer);
    check(copy >= 0 && close(changer) == 0 && close(copy) == 0, "dup and close");
    FILE *stream = fopen("/dev/sg0", "r+");
    check(stream && fclose(stream) == 0, "fopen and fclose");
}

static void list_devices(void)
{
    DIR *directory = opendir("/dev");
    check(directory != NULL, "opendir");
    int entries = 0;
    while (readdir(directory))
        entries++;
    check(entries > 2 && closedir(directory) == 0, "readdir and closedir");
}

static void *work(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        use_tape(round);
        use_changer();
        list_devices();
    }
    return NULL;
}

int main(void)
{
    tape = open("/dev/nst0", O_RDWR | O_CLOEXEC);
    check(tape >= 0, "open the tape");
    pthread_t threads[THREADS];
    for (int number = 0; number < THREADS; number++)
        check(pthread_create(&threads[number], NULL, work, NULL) == 0, "pthread_create");
    for (int number = 0; number < THREADS; number++)
        pthread_join(threads[number], NULL);
    struct mtget status;
    check(ioctl(tape, MTIOCGET, &status) == 0, "MTIOCGET");
    printf("block %d\n", status.mt_blkno);
    return close(tape);
}

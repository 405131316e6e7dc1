/* Kills ferric run, its parent, while children use its devices in every state. Each prints the errors of its calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mtio.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2], killed[2];

/* Tells the parent that this process is in its state; if asked, waits until ferric run is killed. */
static void in_state(int waits)
{
    char byte;
    if (write(ready[1], "", 1) != 1 || (waits && read(killed[0], &byte, 1) != 0))
        _exit(1);
}

static const char *error(long result) { return result < 0 ? strerrorname_np(errno) : "done"; }

static void after_the_end(const char *state, int fd)
{
    struct mtget status;
    char byte;
    struct pollfd polled = { fd, POLLIN | POLLOUT, 0 };
    poll(&polled, 1, -1);
    printf("%s: read %s, ", state, error(read(fd, &byte, 1)));
    printf("ioctl %s, ", error(ioctl(fd, MTIOCGET, &status)));
    printf("close %s, ", error(close(fd)));
    printf("open %s\n", error(open("/dev/nst0", O_RDONLY)));
}

static void opening(void)
{
    in_state(0);
    const char *result = error(open("/dev/nst1", O_RDONLY)); /* no tape: it waits */
    printf("opening: open %s, ", result);
    printf("again %s\n", error(open("/dev/nst1", O_RDONLY)));
}

static void writing(int tape)
{
    static char block[1 << 20];
    int is_ready = 0;
    while (write(tape, block, sizeof block) == sizeof block)
        if (!is_ready++)
            in_state(0);
    printf("writing: write %s, ", error(-1));
    after_the_end("then", tape);
}

static void idle(int fd)
{
    char byte;
    if (write(fd, "data", 4) < 0 && ioctl(fd, 0x2282, &byte) < 0) /* attaches a channel */
        _exit(1);
    in_state(1);
    after_the_end("idle", fd);
}

static void inherited(int fd)
{
    in_state(1);
    after_the_end("inherited", fd);
}

static void stream(FILE *tape)
{
    in_state(1);
    fputs("text", tape);
    printf("stream: fclose %s\n", error(fclose(tape)));
}

static void start(void (*run)(int), int fd)
{
    if (fork() == 0) {
        close(killed[1]);
        alarm(60);
        run(fd);
        exit(0);
    }
}

static void run_opening(int fd) { (void)fd, opening(); }
static void run_stream(int fd) { stream(fdopen(fd, "w")); }

int main(void)
{
    char byte;
    setvbuf(stdout, NULL, _IOFBF, 4096);
    if (pipe(ready) || pipe(killed))
        return 1;
    int tape = open("/dev/nst0", O_RDWR), generic = open("/dev/sg0", O_RDWR);
    start(run_opening, -1);
    start(writing, tape);
    start(idle, generic);
    start(inherited, generic);
    start(inherited, tape);
    start(run_stream, tape);
    for (int state = 0; state < 6; state++)
        if (read(ready[0], &byte, 1) != 1)
            return 1;
    usleep(100000); /* the open is in the frontend */
    pid_t parent = getppid();
    kill(parent, SIGKILL);
    while (getppid() == parent)
        usleep(10000);
    close(killed[1]);
    int failed = 0, status;
    while (wait(&status) > 0)
        failed += status != 0;
    printf("failed %d\n", failed);
    fflush(stdout);
    return rename("out", "done");
}

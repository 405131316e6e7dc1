/* Functions of the C library that list directories. */
#define _GNU_SOURCE
#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

static int is_first_drive(const struct dirent *entry) { return strncmp(entry->d_name, "nst0", 4) == 0; }

int main(void)
{
    glob_t found;
    if (glob("/dev/nst0*", 0, NULL, &found) || glob("/dev/nul[l]", GLOB_APPEND, NULL, &found))
        return 1;
    printf("glob");
    for (size_t i = 0; i < found.gl_pathc; i++)
        printf("%s %s", i + 1 == found.gl_pathc ? " nst:" : "", found.gl_pathv[i]);
    globfree(&found);

    struct dirent **entries;
    int count = scandir("/dev", &entries, is_first_drive, alphasort);
    printf("\nscandir");
    for (int i = 0; i < count; i++)
        printf(" %s%s", entries[i]->d_name, i + 1 == count ? ", types" : "");
    for (int i = 0; i < count; i++)
        printf(" %d", entries[i]->d_type);

    DIR *directory = opendir("/dev");
    int drives = 0, nulls = 0;
    for (int pass = 0; pass < 2; pass++, rewinddir(directory))
        for (struct dirent *entry; (entry = readdir(directory));) {
            drives += strcmp(entry->d_name, "nst0") == 0;
            nulls += strcmp(entry->d_name, "null") == 0;
        }
    printf("\nreaddir twice: %d nst0, %d null\n", drives, nulls);

    /* From the position of each of these, again: it is the next entry. */
    const char *wanted[] = {"nst0", "null", "sch0"};
    long positions[3] = {-1, -1, -1}, position = telldir(directory);
    for (struct dirent *entry; (entry = readdir(directory)); position = telldir(directory))
        for (int i = 0; i < 3; i++)
            if (strcmp(entry->d_name, wanted[i]) == 0)
                positions[i] = position;
    printf("seekdir");
    for (int i = 0; i < 3; i++) {
        seekdir(directory, positions[i]);
        printf(" %s", readdir(directory)->d_name);
    }
    seekdir(directory, positions[1]);
    int rest = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        rest += strcmp(entry->d_name, "nst0") == 0;
    printf(", after null: %d nst0\n", rest);
    return closedir(directory);
}

// Files of the machine, reached from one root descriptor, so that a test can give another root.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct owner {
  uid_t uid;
  gid_t gid;
};
extern const struct owner ROOT_OWNER;

// The descriptor of the machine's root folder, opened once.
int root_folder(void);

// Opens folder `path` (no leading slash) below the root, following no symbolic link. -1 with errno if it cannot.
int open_folder(const char *path);

// Makes `name` in the folder if it is missing and opens it; a symbolic link there is refused. -1 with errno if it cannot.
int make_folder(int parent, const char *name, mode_t mode, struct owner owner);

// Replaces file `name` of the folder in one step: readers see the old content or all of the new.
bool replace_file(int folder, const char *name, const void *content, size_t bytes, mode_t mode, struct owner owner);

// Reads a small file below the root as one line of text, without its line end. False with errno if it cannot.
bool read_line(const char *path, char *line, size_t size);

// Reads a file below the root as text, at most `size - 1` bytes. -1 with errno if it cannot, or if it is longer.
ssize_t read_text(const char *path, char *text, size_t size);

// Overwrites a file with zeros, on the disk too, and removes it. Fine if it or its folder is not there.
bool wipe_file(const char *folder, const char *name);

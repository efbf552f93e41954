// A fresh ed25519 SSH host key, in the files OpenSSH and dropbear read.
#pragma once
#include <stdbool.h>

enum { PUBLIC_KEY_LINE_CHARS_MAX = 127 };

// Draws a key from the kernel and writes it for each server whose folder exists in /etc. `ssh-keygen` does the same
// in 12 times the time, under emulation. False with errno if it cannot.
bool make_host_key(void);

// The public half that the SSH server will show, as `ssh-ed25519 BASE64`; false if there is none.
bool read_host_key(char line[PUBLIC_KEY_LINE_CHARS_MAX + 1]);

// The SSH server, started last: nobody can come in before the machine is unique.
#pragma once
#include <stdbool.h>

// Starts sshd, or dropbear where there is no sshd, and returns once it listens; a held one goes on, and listens soon:
// to wait for it would cost it the processor. False with errno: EADDRINUSE if something listens already, ENOENT if no
// server is there, ECHILD if it ended, ETIMEDOUT if it never listened.
bool open_door(void);

// Starts sshd as far as it gets without a host key, for `open_door` to let it go on. Fine, and nothing done, where there
// is no sshd: others start fast.
bool hold_door(void);

// Ends the SSH server that `open_door` started, and waits until no connection is left. Fine if none was started. False
// with errno: EISCONN if a connection stays open, ETIMEDOUT if the server does not end.
bool close_door(void);

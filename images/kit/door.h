// The SSH server, started last: nobody can come in before the machine is unique.
#pragma once
#include <stdbool.h>

// Starts dropbear, or sshd where there is no dropbear, and returns once it listens. A held one is there already, or goes
// on and listens soon: to wait for it would cost it the processor. False with errno: EADDRINUSE if something listens
// already, ENOENT if no server is there, ECHILD if it ended, ETIMEDOUT if it never listened.
bool open_door(void);

// Starts the server as far as it gets without a host key: sshd before it listens, for `open_door` to let it go on,
// dropbear until it listens, on a link that is down. Fine, and nothing done, where there is none.
bool hold_door(void);

// Ends the SSH server that `open_door` started, and waits until no connection is left. Fine if none was started. False
// with errno: EISCONN if a connection stays open, ETIMEDOUT if the server does not end.
bool close_door(void);

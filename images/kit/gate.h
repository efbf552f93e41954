// Where an SSH server that was started before its machine was frozen waits for the machine to become itself: it reads
// its first host key from a FIFO that never holds one. Behind it lies the rest of its start, before it a program that
// is loaded, linked and configured, which takes longer than all else a fresh clone does.
#pragma once
#include <stdbool.h>

#define GATE "/run/slipway-gate"

// Makes the gate, closed. False with errno if it cannot.
bool make_gate(void);

// Lets the server that waits at it go on to the real host key, and removes the gate. False with errno: ENOENT if there
// is no gate, ENXIO if nobody waits at it (it is gone then, too).
bool open_gate(void);

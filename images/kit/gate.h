// Where an SSH server that was started before its machine was frozen waits for the machine to become itself: its host
// key is a FIFO, and it opens that for reading. Behind it lies the little rest of its start, before it a program that
// is loaded, linked and configured, which takes longer than all else a fresh clone does.
#pragma once
#include <stdbool.h>

// Makes the gate, closed. False with errno if it cannot.
bool make_gate(void);

// Takes hold of the gate, before the host key takes its place. Fine if there is none, or nobody waits at it.
void reach_gate(void);

// Hands the host key to the server that waits at the gate, which goes on. False with errno: ENOENT if there was no gate
// to reach, EPIPE if the server has ended.
bool open_gate(void);

// Removes the gate, if there is one.
void remove_gate(void);

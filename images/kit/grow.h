// The root file system, made as large as the disk that this machine was given.
#pragma once
#include <stdbool.h>

// Grows the partition of the root file system (an MBR's, the last on its disk) and the file system in it, while it is
// mounted. True if that is done or nothing is to be done; false with errno, EBUSY if another partition is in the way.
bool grow_root(void);

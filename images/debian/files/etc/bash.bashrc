# Read by each shell that SSH starts, so it is short.
PS1='\u@\h:\w\$ '

# Read by each shell that SSH starts, so it is short. dropbear leaves /usr/local out.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PS1='\u@\h:\w\$ '

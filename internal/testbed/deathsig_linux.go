package testbed

import "syscall"

// dieWithParent asks the kernel to kill the child when the thread that forked it
// ends, whatever ends it: prctl(2), PR_SET_PDEATHSIG. The runtime sets it after
// the change of user, which would clear it.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

//go:build !linux

package testbed

import "syscall"

// dieWithParent has no counterpart here: a test run that is killed leaves its
// servers behind.
func dieWithParent(*syscall.SysProcAttr) {}

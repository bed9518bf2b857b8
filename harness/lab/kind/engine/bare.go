package engine

import "slices"

// bareFlags are what --privileged stands for, without CAP_SYS_RESOURCE: a daemon that does not have that capability, as in
// many containers, cannot hand it on, and runc fails ("unable to apply caps"). Podman asks for no more than it has.
var bareFlags = []string{
	"--cap-add=ALL", "--cap-drop=SYS_RESOURCE",
	"--security-opt", "systempaths=unconfined", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
	"--device-cgroup-rule", "a *:* rwm", "--device", "/dev/kmsg",
}

// Unprivileged is a docker command with bareFlags in place of --privileged. What exec starts has what its container has.
func Unprivileged(args []string) []string {
	at := slices.Index(args, "--privileged")
	if at < 0 || len(args) == 0 {
		return args
	}
	switch args[0] {
	case "run", "create":
		return slices.Concat(args[:at], bareFlags, args[at+1:])
	case "exec":
		return slices.Concat(args[:at], args[at+1:])
	}
	return args
}

// SPDX-License-Identifier: Apache-2.0

// Package job is what the host and the guest of the kernel tests tell each other: the host puts a Job into the guest's file system, the guest
// writes a Result, and whatever files the runs left in Artefacts, as a tar archive to its disk.
package job

// Places in the guest.
const (
	Path      = "/job.json"    // the Job
	Artefacts = "/artefacts"   // files in it are brought back to the host
	Disk      = "/dev/vda"     // the archive goes here
	Result    = "result.json"  // the Results, in the archive
	Start     = "@@guest-up@@" // on the console once, before the first run: what comes before is firmware and kernel
)

// Job is all that a guest does in its life.
type Job struct {
	Modules []string // to load before anything runs; others load when the kernel asks for them
	Env     []string // of every run, besides the guest's own
	Runs    []Run
}

// Run is one program.
type Run struct {
	Name    string
	Dir     string // where it starts
	Command []string
	Seconds int // it is killed after that time
}

// Outcome is how a Run ended.
type Outcome struct {
	Name    string
	Exit    int // exit status; -1 when it was killed or did not start
	Error   string
	Seconds float64
}

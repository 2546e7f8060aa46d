// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long the N3IWF may take to release its UEs.
const stopTime = 10 * time.Second

// process is the N3IWF, seen from the bench.
type process struct {
	cmd     *exec.Cmd
	logFile string
	mu      sync.Mutex // one question at a time
	in      io.WriteCloser
	out     *bufio.Reader
	done    chan struct{}
	err     error // after done
}

// startProcess runs the N3IWF with dir/n3iwf.yaml; its log goes to dir/n3iwf.log.
func startProcess(dir string, profile bool) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), logFile: filepath.Join(dir, "n3iwf.log"), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childEnv+"="+filepath.Join(dir, "n3iwf.yaml"))
	if profile {
		p.cmd.Env = append(p.cmd.Env, childProfile+"=1")
	}
	// The terminal's SIGINT is for the bench, which then ends the N3IWF in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p.cmd.Stderr = log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("N3IWF: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// call asks a question; a non-nil result takes the answer.
func (p *process) call(command, argument string, result any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintln(p.in, strings.TrimSpace(command+" "+argument)); err != nil {
		return fmt.Errorf("the N3IWF does not take questions: %w; %s", err, p.lastWords())
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the N3IWF does not answer: %w; %s", err, p.lastWords())
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if a.Error != "" {
		return fmt.Errorf("%s: %s", command, a.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(a.Value, result)
}

// usage is the CPU time of the N3IWF so far.
func (p *process) usage() (cpu time.Duration, err error) {
	err = p.call("usage", "", &cpu)
	return cpu, err
}

func (p *process) heap() (h heapState, err error) {
	err = p.call("heap", "", &h)
	return h, err
}

// ended is not nil when the process has ended.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("the N3IWF has ended (%w); %s", errors.Join(p.err, errEnded), p.lastWords())
	default:
		return nil
	}
}

var errEnded = errors.New("it should run until the bench is done")

// lastWords is the end of its log.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil || len(b) == 0 {
		return "its log is empty"
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return "its log ends with:\n" + strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// stop ends the N3IWF in order, and by force when that takes too long.
func (p *process) stop() error {
	p.in.Close()
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("N3IWF: %w; %s", p.err, p.lastWords())
		}
		return nil
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill() // it may have ended just now
		<-p.done
		return fmt.Errorf("the N3IWF did not end within %v; %s", stopTime, p.lastWords())
	}
}

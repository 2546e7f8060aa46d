// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bufio"
	"bytes"
	"context"
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

// process is one program of the demo, with its log in a file. A controlled one takes commands as JSON lines on standard input.
type process struct {
	name    string
	cmd     *exec.Cmd
	logFile string
	in      io.WriteCloser
	onEvent func(name, detail string, at time.Time)

	mu      sync.Mutex
	nextID  int
	waiting map[int]chan answer
	ended   chan struct{}
	err     error
}

type answer struct {
	Error  string
	Result json.RawMessage
}

// start runs a program. A controlled one's standard output carries its answers and events.
func start(dir, name string, controlled bool, onEvent func(name, detail string, at time.Time), argv ...string) (*process, error) {
	p := &process{
		name: name, cmd: exec.Command(argv[0], argv[1:]...), logFile: filepath.Join(dir, name+".log"),
		onEvent: onEvent, waiting: map[int]chan answer{}, ended: make(chan struct{}),
	}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own
	p.cmd.Stderr = log
	p.cmd.Dir = dir // relative file names in the configurations
	// The demo's own SIGINT must not reach the programs first: it stops them in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var out io.ReadCloser
	if controlled {
		if p.in, err = p.cmd.StdinPipe(); err != nil {
			return nil, err
		}
		if out, err = p.cmd.StdoutPipe(); err != nil {
			return nil, err
		}
	} else {
		p.cmd.Stdout = log
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		if controlled {
			p.read(out)
		}
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// read takes answers to whoever waits for them.
func (p *process) read(out io.Reader) {
	s := bufio.NewScanner(out)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		var r struct {
			ID     int             `json:"id"`
			Event  string          `json:"event"`
			Error  string          `json:"error"`
			Result json.RawMessage `json:"result"`
		}
		at := time.Now()
		if json.Unmarshal(s.Bytes(), &r) != nil {
			continue
		}
		if r.Event != "" {
			detail := string(r.Result)
			_ = json.Unmarshal(r.Result, &detail) // a string without its quotes; anything else as it is
			p.onEvent(r.Event, detail, at)
			continue
		}
		p.mu.Lock()
		c := p.waiting[r.ID]
		delete(p.waiting, r.ID)
		p.mu.Unlock()
		if c != nil {
			c <- answer{r.Error, r.Result}
		}
	}
}

// call gives a command and waits for its answer; result may be nil.
func (p *process) call(ctx context.Context, cmd string, args, result any) error {
	c := make(chan answer, 1)
	p.mu.Lock()
	p.nextID++
	id := p.nextID
	p.waiting[id] = c
	b, err := json.Marshal(map[string]any{"id": id, "cmd": cmd, "args": args})
	if err == nil {
		_, err = p.in.Write(append(b, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s %s: %w", p.name, cmd, err)
	}
	select {
	case a := <-c:
		if a.Error != "" {
			return fmt.Errorf("%s: %s", cmd, a.Error)
		}
		if result == nil || len(a.Result) == 0 {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-p.ended:
		return fmt.Errorf("%s has ended (%w); the end of its log:\n%s", p.name, p.err, p.logTail())
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w; the end of its log:\n%s", p.name, cmd, ctx.Err(), p.logTail())
	}
}

// logTail gives the last lines of the log, for an error message.
func (p *process) logTail() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return "    " + strings.Join(lines[max(0, len(lines)-12):], "\n    ")
}

// waitFor waits until the log holds text.
func (p *process) waitFor(ctx context.Context, text string) error {
	for {
		if b, err := os.ReadFile(p.logFile); err == nil && bytes.Contains(b, []byte(text)) {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s did not start (%v); its log:\n%s", p.name, p.err, p.logTail()) //nolint:errorlint // nil when it ended with status 0
		case <-ctx.Done():
			return fmt.Errorf("%s: %w while waiting for %q in its log:\n%s", p.name, ctx.Err(), text, p.logTail())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends the program in good order, by force after a while.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	if p.in != nil {
		_ = p.in.Close() // the program reads the end of its input
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
	case <-time.After(8 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not stop within 8 s; the end of its log:\n%s", p.name, p.logTail())
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() > 0 {
		return fmt.Errorf("%s ended with status %d; the end of its log:\n%s", p.name, exit.ExitCode(), p.logTail())
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

// Package demo runs the main job end to end: lab core, N3IWF and UE as separate processes over real sockets, in network namespaces where root
// allows and on loopback addresses otherwise. It shows a timeline, moves the UE while traffic runs, and measures what each move cost.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// Options of a run.
type Options struct {
	Out         io.Writer
	JSON, HTML  string // files to write; empty writes none
	N3IWF       string // the n3iwf program
	Dir         string // for configurations and logs; empty is a temporary one
	Capture     bool
	Loopback    bool
	Relay       bool // a remote UE behind relay UEs
	Routability string
	DataPlane   string        // of N3IWF and UE: user or kernel; empty is user
	Rate        int           // echo requests a second while the UE moves; 0 is 500
	Bulk        time.Duration // of each bulk transfer; 0 is 2 s
	SCTP        string        // how N2 goes; empty is what the network is best with
}

// demo is one run.
type demo struct {
	Options
	start   time.Time
	net     network
	plan    plan
	lab     string // this program
	core    *process
	n3iwf   *process
	ue      *process
	relays  []*relay
	dumps   []*process
	report  *report.Report
	traffic time.Time // when the traffic's clock started
	rtt     time.Duration
}

// Run runs the demo. The error is nil only if every step held.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	d := &demo{Options: o, report: &report.Report{Title: "N3IWF demo", Started: time.Now()}}
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "nwulab-demo-"); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = os.RemoveAll(d.Dir)
			} else {
				fmt.Fprintf(o.Out, "configurations and logs are kept in %s\n", d.Dir)
			}
		}()
	} else if d.Dir, err = filepath.Abs(d.Dir); err != nil {
		return err
	} else if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return err
	}
	if err := d.programs(); err != nil {
		return err
	}
	if o.Relay {
		d.report.Title = "N3IWF demo: remote UE behind ProSe relays"
	}
	if d.Rate == 0 {
		d.Rate = trafficRate
	}
	if d.Bulk == 0 {
		d.Bulk = bulkTime
	}
	if d.DataPlane == "" {
		d.DataPlane = "user"
	}
	if d.DataPlane == "kernel" && (o.Loopback || o.Relay) {
		return errors.New("the kernel's data plane needs a network namespace for each: leave out --loopback and --relay")
	}
	if o.Loopback {
		d.net, err = newLoopback()
	} else {
		d.net, err = newNetwork(o.Relay)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.net.close()) }()
	d.plan = d.net.plan()
	if o.SCTP != "" {
		d.plan.n2 = o.SCTP
	}
	d.plan.dataPlane = d.DataPlane
	fmt.Fprintf(o.Out, "on %s\n\n", d.plan.description)
	if err := configure(d.Dir, d.plan, d.Options); err != nil {
		return err
	}
	d.start = time.Now()
	failed := d.script(ctx)
	stopped := d.stopAll()
	d.report.OK = failed == nil && stopped == nil
	d.table()
	if failed == nil && stopped == nil {
		fmt.Fprintln(o.Out, "\nevery step held")
	} else {
		fmt.Fprintf(o.Out, "\nFAILED: %v\n", errors.Join(failed, stopped))
	}
	return errors.Join(d.write(), failed, stopped)
}

// programs finds this program and n3iwf.
func (d *demo) programs() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.lab = self
	if d.N3IWF == "" {
		d.N3IWF = filepath.Join(filepath.Dir(self), "n3iwf")
	}
	if _, err := os.Stat(d.N3IWF); err != nil {
		return fmt.Errorf("%w; build it beside nwulab with `make build`, or name it with --n3iwf", err)
	}
	return nil
}

// say prints a line of the timeline.
func (d *demo) say(at time.Time, format string, args ...any) {
	fmt.Fprintf(d.Out, "%9.1f ms  %s\n", float64(at.Sub(d.start))/1e6, fmt.Sprintf(format, args...))
}

// step runs one step and puts it into timeline and report.
func (d *demo) step(name string, f func() (detail string, err error)) error {
	begin := time.Now()
	detail, err := f()
	s := report.Step{Name: name, Start: begin.Sub(d.start), Took: time.Since(begin), OK: err == nil, Detail: detail}
	mark := "ok"
	if err != nil {
		mark, s.Detail = "FAILED", err.Error()
	}
	d.report.Steps = append(d.report.Steps, s)
	d.say(time.Now(), "%-28s %-6s %8.1f ms  %s", name, mark, float64(s.Took)/1e6, s.Detail)
	return err
}

// startAll starts the programs.
func (d *demo) startAll(ctx context.Context) error {
	if d.Capture {
		for _, tool := range []string{"tcpdump", "ethtool"} {
			if _, err := exec.LookPath(tool); err != nil {
				return fmt.Errorf("%w; install %s, or leave out --capture", err, tool)
			}
		}
		commands, err := d.net.record()
		if err != nil {
			return err
		}
		for file, argv := range commands {
			argv = append(argv, "-U", "--immediate-mode", "-B", "65536", "-n", "-s", "0", "-w", filepath.Join(d.Dir, file))
			p, err := start(d.Dir, "tcpdump-"+file, false, nil, argv...)
			if err != nil {
				return err
			}
			d.dumps = append(d.dumps, p)
			if err := p.waitFor(ctx, "listening on"); err != nil {
				return err
			}
		}
	}
	var err error
	d.core, err = start(d.Dir, "core", true, d.event, d.net.wrap(hostCore, d.lab, "core", "--control", "-c", filepath.Join(d.Dir, "core.yaml"))...)
	if err != nil {
		return err
	}
	if err := d.core.waitFor(ctx, "core is up"); err != nil {
		return err
	}
	d.n3iwf, err = start(d.Dir, "n3iwf", false, nil, d.net.wrap(hostN3IWF, d.N3IWF, "run", "-c", filepath.Join(d.Dir, "n3iwf.yaml"))...)
	if err != nil {
		return err
	}
	if err := d.n3iwf.waitFor(ctx, "NG connection is up"); err != nil {
		return err
	}
	argv := d.net.wrap(hostUE, d.lab, "ue", "--control", "-c", filepath.Join(d.Dir, "ue.yaml"))
	d.ue, err = start(d.Dir, "ue", true, d.event, argv...)
	return err
}

// event shows what the UE tells of itself.
func (d *demo) event(name, detail string, at time.Time) { d.eventOf("ue")(name, detail, at) }

func (d *demo) eventOf(who string) func(name, detail string, at time.Time) {
	return func(name, detail string, at time.Time) {
		if name == "step" {
			d.say(at, "    %s: %s", who, detail)
		}
	}
}

// stopAll ends the programs, the UE first.
func (d *demo) stopAll() error {
	err := d.ue.stop()
	for _, r := range d.relays {
		err = errors.Join(err, r.stop())
	}
	err = errors.Join(err, d.n3iwf.stop(), d.core.stop())
	for _, p := range d.dumps {
		err = errors.Join(err, p.stop())
	}
	return err
}

// table prints what each move cost.
func (d *demo) table() {
	if len(d.report.Moves) == 0 {
		return
	}
	yes := func(b bool) string {
		if b {
			return "same"
		}
		return "CHANGED"
	}
	fmt.Fprintf(d.Out, "\n%-8s %9s %6s %5s  %-5s %-5s %-8s %-8s %-5s  %s\n", "move", "gap", "sent", "lost", "SPIs", "keys", "inner IP", "session", "TEIDs", "return routability")
	for _, m := range d.report.Moves {
		routability := "not checked"
		if m.ReturnRoutability {
			routability = "proven"
		}
		fmt.Fprintf(d.Out, "%-8s %6.1f ms %6d %5d  %-5s %-5s %-8s %-8s %-5s  %s\n", m.Kind, float64(m.Gap)/1e6, m.Sent, m.Lost,
			yes(m.Kept.SPI), yes(m.Kept.Keys), yes(m.Kept.InnerAddress), yes(m.Kept.PDUSession), yes(m.Kept.TEID), routability)
	}
	fmt.Fprintf(d.Out, "\nthroughput: uplink %.0f Mbit/s, downlink %.0f Mbit/s\n", d.report.Throughput.ULMbps, d.report.Throughput.DLMbps)
}

// write writes the report files.
func (d *demo) write() error {
	var err error
	if d.JSON != "" {
		err = errors.Join(err, d.report.WriteJSON(d.JSON))
	}
	if d.HTML != "" {
		err = errors.Join(err, d.report.WriteHTML(d.HTML))
		fmt.Fprintf(d.Out, "report: %s\n", strings.TrimSpace(d.HTML))
	}
	return err
}

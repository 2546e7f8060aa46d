// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// MoveOptions say how UEs are moved. Zero values take the defaults in parentheses.
type MoveOptions struct {
	// PerSecond is how many UEs are asked in a second (cluster.rate).
	PerSecond float64
	// AtOnce is how many UEs may be on their way at a time (256).
	AtOnce int
	// Patience is how long a UE may take on each rung of the ladder (30 s).
	Patience time.Duration
	// Notice is the time between telling a UE behind a NAT its other address and falling silent at the present one (1 s).
	Notice time.Duration
	// Delete ends the IKE SA of a UE that cannot be moved.
	Delete bool
}

func (o *MoveOptions) defaults(rate float64) {
	o.PerSecond = cmp.Or(max(o.PerSecond, 0), rate)
	o.AtOnce = cmp.Or(max(o.AtOnce, 0), 256)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	o.Notice = cmp.Or(o.Notice, time.Second)
}

// MoveJob is the move of many UEs, or of one. Its methods may be called from any goroutine.
type MoveJob struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	total    int
	outcomes []MoveOutcome
}

// MoveProgress is how far a job has come.
type MoveProgress struct {
	Total, Moved, Failed int
	ByRung               map[Rung]int // of those that are done
	Done                 bool
}

// Progress tells how far the job is.
func (j *MoveJob) Progress() MoveProgress {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := MoveProgress{Total: j.total, ByRung: map[Rung]int{}}
	for _, o := range j.outcomes {
		p.ByRung[o.Rung]++
		if o.Moved {
			p.Moved++
		} else {
			p.Failed++
		}
	}
	select {
	case <-j.done:
		p.Done = true
	default:
	}
	return p
}

// Outcomes are those of the UEs that are done, in the order in which they were.
func (j *MoveJob) Outcomes() []MoveOutcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.outcomes)
}

// Cancel asks no more UEs to move. Those that were asked go on.
func (j *MoveJob) Cancel() { j.cancel() }

// Done is closed when the last UE is done.
func (j *MoveJob) Done() <-chan struct{} { return j.done }

// MoveUE moves one UE. Errors are those of its MoveOutcome, and the context's.
func (nf *N3IWF) MoveUE(ctx context.Context, id uint32, to Destination, o MoveOptions) (MoveOutcome, error) {
	o.defaults(nf.live().Cluster.Rate)
	result := make(chan MoveOutcome, 1)
	nf.moveOne(id, to, o, func(outcome MoveOutcome) { result <- outcome })
	select {
	case outcome := <-result:
		return outcome, outcome.Err
	case <-ctx.Done():
		return MoveOutcome{UE: id}, ctx.Err()
	}
}

// MoveAll moves all UEs that are here now, at a pace. It ends earlier when ctx does.
func (nf *N3IWF) MoveAll(ctx context.Context, to Destination, o MoveOptions) *MoveJob {
	o.defaults(nf.live().Cluster.Rate)
	ctx, cancel := context.WithCancel(ctx)
	j := &MoveJob{cancel: cancel, done: make(chan struct{})}
	var ids []uint32
	for _, owner := range nf.owners {
		list, _ := ask(ctx, owner, func() ([]uint32, struct{}) {
			var list []uint32
			for id, u := range owner.byRANID {
				if u.state == stateUp {
					list = append(list, id)
				}
			}
			return list, struct{}{}
		})
		ids = append(ids, list...)
	}
	slices.Sort(ids)
	j.total = len(ids)
	nf.log.Info("UEs are moved", slog.String("to", to.String()), slog.Int("ues", len(ids)), slog.Float64("per_second", o.PerSecond))
	nf.running.Go(func() {
		defer cancel()
		defer close(j.done)
		j.run(ctx, nf, ids, to, o)
		p := j.Progress()
		nf.log.Info("UEs were moved", slog.String("to", to.String()), slog.Int("moved", p.Moved), slog.Int("not_moved", p.Failed))
	})
	return j
}

func (j *MoveJob) run(ctx context.Context, nf *N3IWF, ids []uint32, to Destination, o MoveOptions) {
	slots := make(chan struct{}, o.AtOnce)
	pace := time.NewTicker(max(time.Microsecond, time.Duration(float64(time.Second)/o.PerSecond)))
	defer pace.Stop()
	var moving sync.WaitGroup
	for i, id := range ids {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if i > 0 {
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			j.add(MoveOutcome{UE: id, Err: ErrMoveCancelled})
			continue
		}
		moving.Add(1)
		var once sync.Once
		nf.moveOne(id, to, o, func(outcome MoveOutcome) {
			once.Do(func() {
				j.add(outcome)
				<-slots
				moving.Done()
			})
		})
	}
	over := make(chan struct{})
	go func() {
		moving.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-nf.quit:
	}
}

func (j *MoveJob) add(o MoveOutcome) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.outcomes = append(j.outcomes, o)
}

func (nf *N3IWF) moveOne(id uint32, to Destination, o MoveOptions, finished func(MoveOutcome)) {
	owner := nf.ownerOfRAN(id)
	if !owner.mail.post(func() {
		u := owner.byRANID[id]
		if u == nil {
			finished(MoveOutcome{UE: id, Err: ErrNoUE})
			return
		}
		owner.guarded(u, func() { u.relocate(to, o, finished) })
	}) {
		finished(MoveOutcome{UE: id, Err: ErrGoneMeanwhile})
	}
}

// Drain empties this node: UEs that come now are sent to the other node where they can be (RFC 5685), and those that are here are moved there,
// including those that come meanwhile. It returns when no UE is left, or with an error when some do not go.
func (nf *N3IWF) Drain(ctx context.Context, node int, o MoveOptions) error {
	if !nf.nodes.up(node) {
		return fmt.Errorf("node %d: %w", node, ErrNoDestination)
	}
	nf.drainTo.Store(int64(node) + 1)
	for last := -1; ; {
		job := nf.MoveAll(ctx, ToNode(node), o)
		select {
		case <-job.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
		left := nf.Status().UEs
		if left == 0 {
			return nil
		}
		if moved := job.Progress().Moved; moved == 0 && left == last {
			return fmt.Errorf("%d UEs: %w", left, ErrStayed)
		}
		last = left
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Undrain takes new UEs again.
func (nf *N3IWF) Undrain() { nf.drainTo.Store(0) }

// redirect sends new UEs away while this node is being emptied. It is called by the owners' responders.
func (nf *N3IWF) redirect(path ikev2.Path, from ikev2.Gateway) ikev2.Gateway {
	node := int(nf.drainTo.Load()) - 1
	if node < 0 {
		return ikev2.Gateway{}
	}
	var best netip.Addr
	for _, a := range nf.nodes.addresses(node) {
		if a.Addr() != from.Addr && (!best.IsValid() || a.Addr().Is4() == path.Remote.Addr().Is4()) {
			best = a.Addr()
		}
	}
	return ikev2.Gateway{Addr: best}
}

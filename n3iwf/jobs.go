// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// job is public-key work of a UE: it runs beside the owners, and its result goes back to the UE's owner.
type job struct {
	u *ue
	w *ikev2.Work
}

// jobBacklog bounds the work that waits; half-open limits keep it below that, and beyond it work is done on the spot, which slows the
// owner down and so the rate at which new work comes.
const jobBacklog = 1024

func (nf *N3IWF) work(u *ue, w *ikev2.Work) {
	select {
	case nf.workers <- job{u, w}:
	default:
		nf.runJob(job{u, w})
	}
}

func (nf *N3IWF) runJobs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-nf.workers:
			nf.runJob(j)
		}
	}
}

func (nf *N3IWF) runJob(j job) {
	defer func() {
		if r := recover(); r != nil {
			j.u.owner.mail.post(func() { j.u.owner.panicked(j.u, r) })
		}
	}()
	j.w.Run()
	j.u.owner.forUE(j.u, func() { j.u.apply(j.u.session.Done(time.Now(), j.w)) })
}

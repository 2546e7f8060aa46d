// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// MoveRequest says where UEs shall go.
type MoveRequest struct {
	// To is an NWu address of this N3IWF, or node:N for another node of the cluster.
	To string `json:"to"`
	// PerSecond is how many UEs are asked in a second; 0: cluster.rate.
	PerSecond float64 `json:"perSecond"`
	// Delete ends the IKE SAs of UEs that cannot be moved, which makes them register anew.
	Delete bool `json:"delete"`
}

// MoveResult is what became of the move of one UE.
type MoveResult struct {
	UE    uint32 `json:"ue"`
	Moved bool   `json:"moved"`
	How   string `json:"how"` // switch, addresses, redirect, delete; empty: it was there already
	Took  string `json:"took"`
	Error string `json:"error,omitempty"`
}

// Err says that the UE stayed where it was, and why. To have ended its IKE SA, when that was asked for, is no error.
func (m MoveResult) Err() error {
	if m.Moved || m.Error == "" {
		return nil
	}
	return fmt.Errorf("UE %d has not moved: %s", m.UE, m.Error)
}

// JobStatus is how far a move of all UEs is, or a drain.
type JobStatus struct {
	What    string    `json:"what"` // move or drain
	To      string    `json:"to"`
	Began   time.Time `json:"began"`
	Total   int       `json:"total"`
	Moved   int       `json:"moved"`
	Failed  int       `json:"failed"`
	UEsLeft int       `json:"uesLeft"`
	Done    bool      `json:"done"`
	Error   string    `json:"error,omitempty"`
}

// job is the one move of many UEs that may be under way.
type job struct {
	what, to string
	began    time.Time
	cancel   context.CancelFunc
	move     *n3iwf.MoveJob // nil of a drain

	mu   sync.Mutex
	done bool
	err  error
}

func (s *Server) moveRoutes() []route {
	return []route{
		{method: "POST", path: "/ues/{id}/move", summary: "Move one UE to another address of this N3IWF or to another node; answers when it has moved or cannot", body: MoveRequest{}, answer: MoveResult{}, handle: s.moveUE},
		{method: "POST", path: "/move", summary: "Move all UEs to another address or node, at a pace", body: MoveRequest{}, answer: JobStatus{}, handle: s.moveAll},
		{method: "POST", path: "/drain", summary: "Take no new UEs, and move all to another node", body: MoveRequest{}, answer: JobStatus{}, handle: s.drain},
		{method: "GET", path: "/job", summary: "How far the latest move of all UEs or drain is", answer: JobStatus{}, handle: s.getJob},
		{method: "DELETE", path: "/job", summary: "Stop it: UEs that are here stay, and new ones are taken again", handle: s.cancelJob},
		{method: "POST", path: "/rekey", summary: "Rekey all child SAs and IKE SAs now", answer: Rekeyed{}, handle: s.rekey},
	}
}

// Rekeyed is the answer to /rekey.
type Rekeyed struct {
	UEs int `json:"ues"` // UEs that were asked
}

func (s *Server) rekey(*gin.Context) (any, error) { return Rekeyed{s.nf.Rekey(true, true)}, nil }

// destination reads the body and where it says that UEs shall go.
func destination(c *gin.Context) (r MoveRequest, to n3iwf.Destination, node int, err error) {
	if err := c.ShouldBindJSON(&r); err != nil {
		return r, to, 0, badRequest("the body is not a JSON object with to")
	}
	if text, ok := strings.CutPrefix(r.To, "node:"); ok {
		node, err := strconv.Atoi(text)
		if err != nil || node < 0 {
			return r, to, 0, badRequest("%q names no node: write node:1, say", r.To)
		}
		return r, n3iwf.ToNode(node), node, nil
	}
	a, err := netip.ParseAddr(r.To)
	if err != nil {
		return r, to, 0, badRequest("%q is neither an IP address of this N3IWF nor node:N", r.To)
	}
	return r, n3iwf.ToAddress(a), -1, nil
}

func (s *Server) moveUE(c *gin.Context) (any, error) {
	id, err := ueID(c)
	if err != nil {
		return nil, err
	}
	r, to, _, err := destination(c)
	if err != nil {
		return nil, err
	}
	o, err := s.nf.MoveUE(c.Request.Context(), id, to, n3iwf.MoveOptions{Delete: r.Delete})
	if errors.Is(err, n3iwf.ErrNoUE) {
		return nil, notFound("there is no UE %d", id)
	}
	result := MoveResult{UE: id, Moved: o.Moved, How: string(o.Rung), Took: o.Took.Round(time.Millisecond).String()}
	if err != nil {
		result.Error = err.Error()
	}
	return result, nil
}

// begin makes j the job under way, unless one is.
func (s *Server) begin(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.job != nil && !s.job.status(s.nf).Done {
		return &problem{http.StatusConflict, "a " + s.job.what + " is under way: wait for it, or DELETE " + base + "/job"}
	}
	s.job = j
	return nil
}

func (s *Server) moveAll(c *gin.Context) (any, error) {
	r, to, _, err := destination(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	j := &job{what: "move", to: to.String(), began: time.Now(), cancel: cancel}
	if err := s.begin(j); err != nil {
		cancel()
		return nil, err
	}
	move := s.nf.MoveAll(ctx, to, n3iwf.MoveOptions{PerSecond: r.PerSecond, Delete: r.Delete})
	j.mu.Lock()
	j.move = move
	j.mu.Unlock()
	return j.status(s.nf), nil
}

func (s *Server) drain(c *gin.Context) (any, error) {
	r, to, node, err := destination(c)
	if err != nil {
		return nil, err
	}
	if node < 0 {
		return nil, badRequest("a node is emptied to another node: to is node:N")
	}
	ctx, cancel := context.WithCancel(context.Background())
	j := &job{what: "drain", to: to.String(), began: time.Now(), cancel: cancel}
	if err := s.begin(j); err != nil {
		cancel()
		return nil, err
	}
	s.jobs.Go(func() {
		defer cancel()
		j.finish(s.nf.Drain(ctx, node, n3iwf.MoveOptions{PerSecond: r.PerSecond, Delete: r.Delete}))
	})
	return j.status(s.nf), nil
}

func (j *job) finish(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done, j.err = true, err
}

func (j *job) status(nf *n3iwf.N3IWF) JobStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := JobStatus{What: j.what, To: j.to, Began: j.began, UEsLeft: nf.Status().UEs, Done: j.done}
	if j.err != nil {
		s.Error = j.err.Error()
	}
	if j.move != nil {
		p := j.move.Progress()
		s.Total, s.Moved, s.Failed, s.Done = p.Total, p.Moved, p.Failed, p.Done
	}
	return s
}

func (s *Server) getJob(*gin.Context) (any, error) {
	s.mu.Lock()
	j := s.job
	s.mu.Unlock()
	if j == nil {
		return nil, notFound("nothing was moved or drained yet")
	}
	return j.status(s.nf), nil
}

func (s *Server) cancelJob(*gin.Context) (any, error) {
	s.mu.Lock()
	j := s.job
	s.mu.Unlock()
	if j == nil {
		return nil, notFound("nothing was moved or drained yet")
	}
	j.cancel()
	s.nf.Undrain()
	return nil, nil
}

// endJobs stops what is under way when the server ends.
func (s *Server) endJobs() {
	s.mu.Lock()
	if s.job != nil {
		s.job.cancel()
	}
	s.mu.Unlock()
	s.jobs.Wait()
}

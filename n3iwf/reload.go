// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

// Which keys can be reloaded is said by the struct tags of package config, and nowhere else: whoever reads nf.live() gets the new value, and what is
// made of the configuration at the start is made again here.

// live is the configuration in force.
func (nf *N3IWF) live() *config.Config {
	if c := nf.reloaded.Load(); c != nil {
		return c
	}
	return nf.cfg
}

// Config is the configuration in force; it must not be changed. A reload makes another one.
func (nf *N3IWF) Config() *config.Config { return nf.live() }

// A Part follows the configuration: something of the network function, or what stands beside it.
type Part interface {
	// Prepare opens and reads all that next needs, and changes nothing that anybody could notice. Its errors are those of keys: config.KeyError.
	Prepare(old, next *config.Config) (Change, error)
}

// Change is what Prepare has made ready. One of its functions is called, once; nil does nothing.
type Change struct {
	Commit, Undo func()
	// decide is for what cannot be made ready because UEs go on meanwhile. It makes that change or refuses it, when all parts are prepared and before any
	// other one changes, so that one part at most may have it.
	decide func() error
}

type part func(old, next *config.Config) (Change, error)

func (p part) Prepare(old, next *config.Config) (Change, error) { return p(old, next) }

// parts are those of the network function, in the order of their changes.
func (nf *N3IWF) parts() []Part {
	return []Part{
		part(nf.reloadSecrets), part(nf.reloadKeyLog), part(nf.reloadServed), part(nf.reloadPools), part(nf.reloadSockets), part(nf.reloadWatch),
		part(nf.nodes.reload), part(nf.reloadResponders), part(nf.reloadValues),
	}
}

// ErrTakingOver refuses a reload whatever the configuration is, as another process may go on with the former one in a moment: it can be tried again if this
// one goes on.
var ErrTakingOver = errors.New("another process is about to take over")

// Reload takes over what can change while UEs are connected: the keys with config.ReloadNow and config.ReloadNew. It gives those that have changed, and
// those that keep their former value until another process begins. Files with secrets are read again. All of it changes, in the network function and in
// the further parts, or nothing does: then the error says what cannot be used, and keys of it are config.KeyError. It is safe at any time.
func (nf *N3IWF) Reload(c *config.Config, further ...Part) (changed, later []string, err error) {
	select {
	case nf.old.turn <- struct{}{}: // nobody may take over what is about to change
		defer func() { <-nf.old.turn }()
	case <-time.After(turnTime):
		return nil, nil, ErrTakingOver
	}
	nf.reloading.Lock()
	defer nf.reloading.Unlock()
	old := nf.live()
	next := config.Reloaded(old, c)
	var changes []Change
	for _, p := range append(nf.parts(), further...) {
		change, e := p.Prepare(old, next)
		changes = append(changes, change)
		err = errors.Join(err, e) // all that is wrong is told at once
	}
	for _, change := range changes {
		if err == nil && change.decide != nil {
			err = change.decide()
		}
	}
	if err != nil {
		for _, change := range slices.Backward(changes) {
			if change.Undo != nil {
				change.Undo()
			}
		}
		return nil, nil, err
	}
	nf.reloaded.Store(next)
	for _, change := range changes {
		if change.Commit != nil {
			change.Commit()
		}
	}
	return config.Diff(old, next), config.Diff(next, c), nil
}

// reloadValues is for what others have a copy of, and cannot refuse. It comes last: UEs follow when all else has changed.
func (nf *N3IWF) reloadValues(old, next *config.Config) (Change, error) {
	return Change{Commit: func() {
		nf.logRate.SetLimit(next.Log.LinesPerSecond)
		nf.setAMFs(next.N2.AMFs)
		if old.N3.Echo != next.N3.Echo || old.N3.TEIDQuarantine != next.N3.TEIDQuarantine {
			nf.relay.SetTimers(nf.n3Timers())
		}
		nf.eachUE(func(u *ue) { u.reloaded(old, next) })
	}}, nil
}

// keyError is err about a key, unless it says so itself.
func keyError(key string, err error) error {
	if k := (*config.KeyError)(nil); err == nil || errors.As(err, &k) {
		return err
	}
	return &config.KeyError{Key: key, What: err.Error(), Err: err}
}

// reloadServed tells AMFs of another name or other tracking areas.
func (nf *N3IWF) reloadServed(old, next *config.Config) (Change, error) {
	if old.N3IWF.Name == next.N3IWF.Name && reflect.DeepEqual(old.N3IWF.SupportedTAs, next.N3IWF.SupportedTAs) {
		return Change{}, nil
	}
	s, err := newServed(next.N3IWF)
	if err != nil {
		return Change{}, keyError("n3iwf.supportedTAs", err) // the check of the configuration has found none
	}
	return Change{Commit: func() {
		nf.served.Store(s)
		for _, a := range nf.amfs.get() {
			if ng := a.ng.Load(); ng != nil {
				ng.tellServed()
			}
		}
	}}, nil
}

// reloaded makes a UE that is there follow what has changed.
func (u *ue) reloaded(old, next *config.Config) {
	u.apply(u.session.Follow(time.Now(), u.owner.responder))
	if o, n := &old.NWu.UserPlane, &next.NWu.UserPlane; o.PathMTU != n.PathMTU || o.EnforceRates != n.EnforceRates || !slices.Equal(old.N3.DSCP, next.N3.DSCP) {
		u.updateRelay()
	}
	if old.Timers.Inactivity != next.Timers.Inactivity && u.state == stateUp {
		u.watchInactivity()
	}
}

// reloadResponders gives the IKEv2 responders the configuration in force, for the UEs that come from now on; their limits hold at once.
func (nf *N3IWF) reloadResponders(_, next *config.Config) (Change, error) {
	if _, err := nf.ikeOptions(next); err != nil {
		return Change{}, err
	}
	return Change{Commit: nf.resetResponders}, nil
}

func (nf *N3IWF) resetResponders() {
	options, err := nf.ikeOptions(nf.live())
	if err != nil {
		nf.log.Error("options of IKEv2", slog.Any("error", err)) // never, as it was prepared
		return
	}
	for _, o := range nf.owners {
		o.responder.SetOptions(nf.ownerOptions(options, o))
	}
}

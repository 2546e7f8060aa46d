// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"

	"github.com/open-n3iwf/n3iwf/gre/relay"
)

// rates are the maximum bit rates that have a bucket in the kernel. What user space handles of a limited flow it measures for itself.
type rates struct {
	next uint32
	all  map[*relay.Limit]*rate
}

// rate is one of them.
type rate struct {
	bucket uint32
	users  int // sessions
	picos  uint64
}

// reserve keeps clear of the numbers that maps of an earlier process use.
func (r *rates) reserve(used []uint32) {
	for _, n := range used {
		r.next = max(r.next, n)
	}
}

// bucket gives the number of a limit's bucket, 0 for nil, and makes it when it is new.
func (u *UserPlane) bucket(l *relay.Limit) (uint32, error) {
	if l == nil {
		return 0, nil
	}
	r := u.rates.all[l]
	if r == nil {
		u.rates.next++
		r = &rate{bucket: u.rates.next}
		if err := u.pace(l, r); err != nil {
			return 0, err
		}
		if u.rates.all == nil {
			u.rates.all = map[*relay.Limit]*rate{}
		}
		u.rates.all[l] = r
	}
	return r.bucket, nil
}

// pace writes a bucket; it begins anew.
func (u *UserPlane) pace(l *relay.Limit, r *rate) error {
	picos, ahead := l.Pace()
	r.picos = picos
	return full(u.objects.Buckets.Put(r.bucket, &userplaneBucket{Picos: picos, Ahead: uint64(ahead)}))
}

func (u *UserPlane) useRates(list []*relay.Limit) {
	for _, l := range list {
		u.rates.all[l].users++
	}
}

// leaveRates gives up what a session has used, or has begun to.
func (u *UserPlane) leaveRates(list []*relay.Limit) {
	for _, l := range list {
		if r := u.rates.all[l]; r != nil {
			if r.users--; r.users <= 0 {
				delete(u.rates.all, l)
				u.logged("remove a bit rate", remove(u.objects.Buckets, r.bucket))
			}
		}
	}
}

// refreshRates follows rates that were changed.
func (u *UserPlane) refreshRates() {
	for l, r := range u.rates.all {
		if picos, _ := l.Pace(); picos != r.picos {
			u.logged("change of a bit rate", u.pace(l, r))
		}
	}
}

// sweepRates removes the buckets of an earlier process.
func (u *UserPlane) sweepRates() error {
	ours := map[uint32]bool{}
	for _, r := range u.rates.all {
		ours[r.bucket] = true
	}
	var stale []uint32
	var number uint32
	var b userplaneBucket
	it := u.objects.Buckets.Iterate()
	for it.Next(&number, &b) {
		if !ours[number] {
			stale = append(stale, number)
		}
	}
	errs := []error{it.Err()}
	for _, number := range stale {
		errs = append(errs, remove(u.objects.Buckets, number))
	}
	return errors.Join(errs...)
}

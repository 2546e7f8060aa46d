// SPDX-License-Identifier: Apache-2.0

package ikev2

// Outputs lets a session's owner carry out what its calls give, in their order, also when carrying one out makes the owner call the session again: an
// answer to an event must not overtake the datagrams that came with the event. The zero value is ready.
type Outputs struct {
	queue []Output
	busy  bool
}

// Do carries out out with f. Within f, Do only remembers: what it is given is carried out afterwards.
func (o *Outputs) Do(out Output, f func(Output)) {
	o.queue = append(o.queue, out)
	if o.busy {
		return
	}
	o.busy = true
	defer func() { *o = Outputs{} }() // after a panic too: what was queued is not carried out then
	for len(o.queue) > 0 {
		next := o.queue[0]
		o.queue = o.queue[1:]
		f(next)
	}
}

// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/rand"
	"time"
)

// withDefaults returns a copy with every zero value replaced by its default.
func (o Options) withDefaults() *Options {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	set(&o.RoutabilityTimeout, 10*time.Second)
	set(&o.RoutabilityMemory, 10*time.Minute)
	set(&o.HalfOpenTime, 60*time.Second)
	set(&o.Linger, 30*time.Second)
	set(&o.Keepalive, 20*time.Second)
	set(&o.Patience, 5*time.Minute)
	set(&o.FragmentSize, 1200)
	set(&o.Retransmit.First, 2*time.Second)
	set(&o.Retransmit.Factor, 1.8)
	set(&o.Retransmit.Max, 30*time.Second)
	set(&o.Retransmit.Jitter, 0.1)
	set(&o.Limits.CookieTotal, 1000)
	set(&o.Limits.CookiePerSource, 100)
	set(&o.Limits.Total, 50000)
	set(&o.Limits.PerSource, 1000)
	set(&o.Limits.SourceBitsIPv4, 32)
	set(&o.Limits.SourceBitsIPv6, 64)
	set(&o.Limits.SecretLife, 60*time.Second)
	set(&o.Limits.ErrorsPerSecond, 100)
	return &o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

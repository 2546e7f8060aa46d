// SPDX-License-Identifier: Apache-2.0

package config

// legacyLab is the profile of nwu.ike.profile for old UE simulators.
const legacyLab = "legacy-lab"

// legacyLifetimes gives SAs no end where the profile is legacy-lab and the file has no lifetimes: the UE simulators that the profile is for end with the
// first rekey. Sequence numbers still have one, after thousands of millions of packets.
func (c *Config) legacyLifetimes(given func(key string) bool) {
	if c.NWu.IKE.Profile != legacyLab {
		return
	}
	if !given("nwu.ike.lifetime") {
		c.NWu.IKE.Lifetime.Soft, c.NWu.IKE.Lifetime.Hard = 0, 0
	}
	if !given("nwu.esp.lifetime") {
		c.NWu.ESP.Lifetime.Soft, c.NWu.ESP.Lifetime.Hard = 0, 0
	}
}

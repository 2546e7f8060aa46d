// SPDX-License-Identifier: Apache-2.0

package config

import "github.com/goccy/go-yaml"

// Redacted returns the whole effective configuration as YAML, defaults and derived values included, with every Secret
// hidden. It is what may be logged or shown.
func (c *Config) Redacted() string {
	text, err := yaml.Marshal(c)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	return string(text)
}

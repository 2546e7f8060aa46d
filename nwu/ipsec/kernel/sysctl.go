// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// setSysctl writes a setting of the kernel, unless it is so already: containers see /proc/sys read-only. What cannot be set is no error where the
// kernel has no such setting, or good says that the value there will do.
func setSysctl(file, value string, good func(now string) bool) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	now := strings.TrimSpace(string(text))
	if err == nil && now == value {
		return nil
	}
	if err = os.WriteFile(file, []byte(value), 0); err == nil || good != nil && good(now) {
		return nil
	}
	name := strings.ReplaceAll(strings.TrimPrefix(file, "/proc/sys/"), "/", ".")
	return fmt.Errorf("%s is %q and cannot be changed (%w); before the start: sysctl -w %s=%s, in a container on its host", name, now, err, name, value)
}

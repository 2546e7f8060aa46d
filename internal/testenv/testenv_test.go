// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a testing.TB that only notes how the test would have ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (*recorder) Helper()      {}
func (*recorder) Name() string { return "TestX" }
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func need(f func(testing.TB)) *recorder {
	r, done := &recorder{}, make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestNeed(t *testing.T) {
	missing := func(t testing.TB) { NeedTool(t, "no-such-program", "no-such-package") }
	t.Setenv("CI", "")
	list := filepath.Join(t.TempDir(), "skips")
	require.NoError(t, os.WriteFile(list, []byte("earlier\n"), 0o600))
	t.Setenv("TESTENV_SKIPS", list)
	require.Equal(t, "needs no-such-program: apt-get install no-such-package", need(missing).skipped)
	noted, err := os.ReadFile(list)
	require.NoError(t, err)
	require.Equal(t, "earlier\nTestX needs no-such-program: apt-get install no-such-package\n", string(noted))
	t.Setenv("CI", "true")
	r := need(missing)
	require.Empty(t, r.skipped)
	require.Contains(t, r.failed, "no-such-program: apt-get install no-such-package")
	r = need(func(t testing.TB) { NeedTool(t, "go", "golang") })
	require.Empty(t, r.skipped+r.failed)
}

// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const repository = "../.."

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example|Benchmark)\w*)\(`)
	testNamed = regexp.MustCompile(`\b(?:Test|Fuzz|Example|Benchmark)[A-Z]\w*`)
)

// TestConformance checks the tables of the CONFORMANCE.md files: every test that they name exists. A name is looked for
// in the whole repository, as a row may cite tests of other folders.
func TestConformance(t *testing.T) {
	exist := map[string]bool{}
	var tables []string
	require.NoError(t, filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != repository && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Name() == "CONFORMANCE.md":
			tables = append(tables, path)
		case strings.HasSuffix(path, "_test.go"):
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range testFunc.FindAllStringSubmatch(string(src), -1) {
				exist[m[1]] = true
			}
		}
		return nil
	}))
	require.NotEmpty(t, tables)
	for _, file := range tables {
		src, err := os.ReadFile(file)
		require.NoError(t, err)
		for n, line := range strings.Split(string(src), "\n") {
			for _, name := range testNamed.FindAllString(line, -1) {
				if strings.HasPrefix(line, "|") && !exist[name] {
					t.Errorf("%s:%d names %s, which does not exist", file, n+1, name)
				}
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

func keysOf(t *testing.T) []Key {
	t.Helper()
	keys, err := Keys(os.DirFS(".."))
	require.NoError(t, err)
	return keys
}

// What is published must be what the types say.
func TestPublishedFilesAreFresh(t *testing.T) {
	schema, err := Schema(keysOf(t))
	require.NoError(t, err)
	for file, want := range map[string][]byte{"../n3iwf.schema.json": schema, "../../docs/configuration.md": Page(keysOf(t)), "../../deploy/helm/n3iwf/reloadable.txt": Reloadable(keysOf(t))} {
		have, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.Equal(have, want), "%s is not what the types say any more: run go generate ./config/... and commit it", file)
	}
}

func TestEveryKeyIsExplained(t *testing.T) {
	var check func(keys []Key)
	check = func(keys []Key) {
		for _, k := range keys {
			require.NotEmpty(t, k.Doc, k.Path)
			require.Equal(t, k.Reload == config.ReloadRestart, k.Because != "", "%s: a restart drops UEs, which has a reason", k.Path)
			check(k.Keys)
		}
	}
	check(keysOf(t))
}

// An independent implementation of JSON Schema takes our examples and refuses what is wrong.
func TestSchema(t *testing.T) {
	text, err := Schema(keysOf(t))
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("schema.json", doc))
	schema, err := c.Compile("schema.json")
	require.NoError(t, err)

	validate := func(text string) error {
		j, err := yaml.YAMLToJSON([]byte(text))
		require.NoError(t, err)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		require.NoError(t, err)
		return schema.Validate(v)
	}
	for _, file := range []string{"../n3iwf.example.yaml", "../lab.example.yaml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, validate(string(text)), file)
	}
	for _, wrong := range []string{
		"nwu: {ikeprt: 500}", "nwu: {ikePort: 0}", "nwu: {ikePort: 70000}", "nwu: {addresses: 10}", "nwu: {addresses: [\"192.0.2\"]}",
		"nwu: {mobike: {returnRoutability: never}}", "timers: {release: soon}", "nwu: {uePools: {ipv4: [\"10.0.0.0\"]}}", "log: [info]",
	} {
		require.Error(t, validate(wrong), wrong)
	}
	var top map[string]any
	require.NoError(t, json.Unmarshal(text, &top))
	require.True(t, strings.HasPrefix(top["$schema"].(string), "https://json-schema.org/"))
}

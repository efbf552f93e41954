package main

import (
	"encoding/json"
	"os"
	"testing"

	"gitlab.com/gitlab-org/fleeting/fleeting/integration"
)

// GitLab's own test of a plugin: machines are asked for, used by SSH and given back.
func TestProvisioning(t *testing.T) {
	path, config := os.Getenv("PLUGIN"), os.Getenv("PLUGIN_CONFIG")
	if path == "" {
		t.Skip("PLUGIN names no plugin")
	}
	integration.TestProvisioning(t, path, integration.Config{
		PluginConfig: json.RawMessage(config),
		MaxInstances: 3,
	})
}

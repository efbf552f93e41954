// A client of a fleeting plugin, built on GitLab's own library: what it says of a plugin is what a runner finds.
//
// Lines of JSON come on stdin, one command each; each is answered by one line on stdout. The plugin's log goes to
// stderr. When stdin ends, the plugin is ended as a runner ends it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"gitlab.com/gitlab-org/fleeting/fleeting"
	"gitlab.com/gitlab-org/fleeting/fleeting/connector"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

type command struct {
	Do        string   `json:"do"`
	N         int      `json:"n"`
	Instance  string   `json:"instance"`
	Instances []string `json:"instances"`
	Shell     string   `json:"shell"`
	TimeoutMs int      `json:"timeoutMs"`
	// Of init: what a runner's connector_config says.
	Connector provider.ConnectorConfig `json:"connector"`
}

type listed struct {
	Instance string `json:"instance"`
	State    string `json:"state"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	Value any    `json:"value,omitempty"`
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "mtls" {
		exit(checkMutualTLS(os.Args[2]))
	}
	if len(os.Args) != 3 {
		exit(errors.New("usage: client PLUGIN CONFIG | client mtls PLUGIN"))
	}
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr, JSONFormat: true})
	runner, err := fleeting.RunPlugin(os.Args[1], []byte(os.Args[2]), fleeting.WithPluginLogger(logger))
	if err != nil {
		exit(err)
	}
	defer runner.Kill()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			_ = out.Encode(answer{Error: err.Error()})
			continue
		}
		value, err := obey(runner.InstanceGroup(), logger, c)
		reply := answer{Value: value}
		if err != nil {
			reply.Error = err.Error()
		}
		_ = out.Encode(reply)
	}
}

func exit(err error) {
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

func obey(group provider.InstanceGroup, logger hclog.Logger, c command) (any, error) {
	timeout := time.Duration(c.TimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	switch c.Do {
	case "init":
		return group.Init(ctx, logger, provider.Settings{ConnectorConfig: c.Connector})
	case "update":
		list := []listed{}
		err := group.Update(ctx, func(instance string, state provider.State) {
			list = append(list, listed{instance, string(state)})
		})
		return list, err
	case "increase":
		return group.Increase(ctx, c.N)
	case "decrease":
		return group.Decrease(ctx, c.Instances)
	case "connectInfo":
		return group.ConnectInfo(ctx, c.Instance)
	case "heartbeat":
		return nil, group.Heartbeat(ctx, c.Instance)
	case "shutdown":
		return nil, group.Shutdown(ctx)
	case "run":
		return run(ctx, group, c)
	case "vanish":
		os.Exit(3)
	}
	return nil, errors.New("unknown command " + c.Do)
}

// run does what a runner does with an instance: asks how to reach it, dials, and runs a command there.
func run(ctx context.Context, group provider.InstanceGroup, c command) (any, error) {
	info, err := group.ConnectInfo(ctx, c.Instance)
	if err != nil {
		return nil, err
	}
	var stdout bytes.Buffer
	err = connector.Run(ctx, info, connector.ConnectorOptions{
		RunOptions: connector.RunOptions{Command: c.Shell, Stdout: &stdout},
	})
	return stdout.String(), err
}

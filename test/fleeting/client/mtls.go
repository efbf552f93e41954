package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// A plugin of which nothing is used but its connection.
type bare struct{ plugin.NetRPCUnsupportedPlugin }

func (bare) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (bare) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, connection *grpc.ClientConn) (any, error) {
	return connection, nil
}

// checkMutualTLS starts the plugin as a client does that wants TLS on the socket, and asks for its health over it.
// Runners do not want it yet.
func checkMutualTLS(path string) error {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey:   "FLEETING_INSTANCE_GROUP_PLUGIN",
			MagicCookieValue: "4c6410b1-cb78-4962-8c76-ab936d0ea908",
		},
		VersionedPlugins: map[int]plugin.PluginSet{0: {"instancegroup": bare{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Cmd:              exec.Command(path),
		AutoMTLS:         true,
		Logger:           hclog.New(&hclog.LoggerOptions{Output: os.Stderr}),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	return protocol.Ping()
}

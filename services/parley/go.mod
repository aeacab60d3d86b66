module github.com/parley-chat/parley/services/parley

go 1.26.0

require github.com/parley-chat/parley v0.0.0

replace github.com/parley-chat/parley => ../../

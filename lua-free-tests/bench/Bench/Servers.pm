package Bench::Servers;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The programs that are compared, each in an nginx of its own with one worker:
#
#   application   serves the pages from memory-mapped files over a unix socket; its CPU is not counted
#   plain         proxies, nothing else; also sub_filter, in servers of its own: inserting the banner, which is over
#                 with the start of the body, and looking for a marked element as well, which is not over before the end
#   ours          the module
#   lua           the same in Lua, where libnginx-mod-http-lua is installed

use strict;
use warnings;

use Test::Privacy;

use Bench::Pages;

our $lua = '/usr/lib/nginx/modules/ngx_http_lua_module.so';
our $ndk = '/usr/lib/nginx/modules/ndk_http_module.so';
our @sizes = (['2k', 2_000], ['32k', 32_000], ['1m', 1_000_000]);
our $cookies = 'sessionid=s3cr3t-of-this-visit; csrftoken=0123456789abcdef; _ga=GA1.1.1234567890.1700000000; '
    . 'track_id=b64f1b3e9c7d4a52; prof_theme=dark';


sub new {
    my ($class, $t, $programs) = @_;

    my $self = bless { t => $t, dir => $t->dir, programs => $programs, nginx => {}, ports => {}, requests => 0 }, $class;
    for my $size (@sizes) {
        spew("$self->{dir}/pages/$size->[0].html", Bench::Pages::page($size->[1], 0));
    }
    return $self;
}


sub t { $_[0]{t} }


# The parts that are started when first needed.

sub application {
    my ($self) = @_;

    my $set = join "\n", map { "add_header Set-Cookie \"$_; Path=/\" always;" } split /; /, $cookies;
    return $self->{application} ||= $self->_nginx('application', '', <<"END", []);
    open_file_cache max=100 inactive=1h;
    server {
        listen unix:$self->{dir}/application.sock;
        root $self->{dir}/pages;
        keepalive_requests 1000000;
        sendfile off;
        output_buffers 2 32k;
        location / { }
        location /cookies/ {
            alias $self->{dir}/pages/;
            $set
        }
    }
END
}


my $upstream = <<'END';
    upstream application { server unix:DIR/application.sock; keepalive 64; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffer_size 8k;
    proxy_buffers 16 16k;
    proxy_busy_buffers_size 64k;
    proxy_max_temp_file_size 0;
    keepalive_requests 1000000;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Real-IP;
END

sub upstream { my ($self) = @_; (my $text = $upstream) =~ s/DIR/$self->{dir}/; return $text }


sub plain {
    my ($self, $banner) = @_;

    $self->application;
    $banner //= $self->banner;
    my $inserted = _quote($banner->{body});
    my $head = _quote($banner->{head});
    return $self->{plain} ||= $self->_nginx('plain', '', <<"END", ['plain', 'sub_filter', 'sub_filter_marked']);
    @{[$self->upstream]}
    server {
        listen ADDRESS:plain;
        location / { proxy_pass http://application; }
        location = /post { return 204; }
        location = /stalled { proxy_pass http://unix:$self->{dir}/stalled.sock:; proxy_buffering off; }
    }
    server {
        listen ADDRESS:sub_filter;
        location / {
            proxy_pass http://application;
            sub_filter_once on;
            sub_filter '<head>' '<head>$head';
            sub_filter '<body class="page" data-kind="bench">' '<body class="page" data-kind="bench">$inserted';
        }
    }
    server {
        listen ADDRESS:sub_filter_marked;
        location / {
            proxy_pass http://application;
            sub_filter_once on;
            sub_filter '<head>' '<head>$head';
            sub_filter '<body class="page" data-kind="bench">' '<body class="page" data-kind="bench">$inserted';
            sub_filter '<div data-privacy="policy">' '<div data-privacy="policy">the policy';
        }
    }
END
}


# What the module inserts, found by comparing its page with the original: sub_filter and Lua insert the same.
sub banner {
    my ($self) = @_;

    return $self->{banner} ||= do {
        $self->ours;
        my $port = $self->{ports}{ours};
        my $r = Test::Privacy::Client->new(peer => "$self->{t}{address}:$port")
            ->request('GET', '/2k.html', headers => $self->navigation);
        my ($head) = $r->body =~ /<head>(.*?)<meta charset/s;
        my ($body) = $r->body =~ /data-kind="bench">(.*?)<header>/s;
        die "the module inserted nothing:\n" . $r->as_text if !$body;
        { head => $head =~ s/\s+\z//r, body => $body =~ s/\n\z//r, response => $r };
    };
}


sub navigation {
    return [Accept => 'text/html', 'Sec-Fetch-Site' => 'none', 'Sec-Fetch-Mode' => 'navigate',
        'Sec-Fetch-Dest' => 'document'];
}


sub ours {
    my ($self) = @_;

    return $self->{ours} if $self->{ours};
    my $t = $self->{t};
    $self->application;
    $t->redis->start('appendfsync everysec') if !$t->redis->pid;
    $t->publish($t->bundle(purposes => [@{Test::Privacy::Bundle::purposes()}[0 .. 2]])) if !$self->{published}++;

    return $self->{ours} = $self->_nginx('ours', "load_module $t->{module};", $self->ours_http($t->site),
        ['ours', 'marked']);
}


sub ours_http {
    my ($self, $site) = @_;

    my $t = $self->{t};
    my $keys = $t->keys_dir;
    return <<"END";
    @{[$self->upstream]}
    privacy_zone 16m;
    privacy_redis @{[$t->redis->url]};
    privacy_keys $keys/keys;
    privacy_cache_path $self->{dir}/cache;
    privacy enforce;
    privacy_site $site key=$keys/$site.pub;
    server {
        listen ADDRESS:ours;
        location / { proxy_pass http://application; }
        location /privacy/ { privacy_center; }
        location = /stalled { proxy_pass http://unix:$self->{dir}/stalled.sock:; proxy_buffering off; }
    }
    server {
        listen ADDRESS:marked;
        privacy_marked on;
        location / { proxy_pass http://application; }
        location /privacy/ { privacy_center; }
    }
END
}


sub lua {
    my ($self) = @_;

    return if !-e $lua;
    my $banner = $self->banner;
    my ($head, $body) = map { "[==[$_]==]" } @$banner{qw(head body)};
    return $self->{lua} ||= $self->_nginx('lua', "load_module $ndk; load_module $lua;", <<"END", ['lua', 'lua_gate']);
    @{[$self->upstream]}
    server {
        listen ADDRESS:lua;
        location / {
            proxy_pass http://application;
            header_filter_by_lua_block { ngx.header.content_length = nil }
            body_filter_by_lua_block {
                if ngx.ctx.done then return end
                local chunk = ngx.arg[1]
                local n
                chunk, n = ngx.re.sub(chunk, [[<head>]], function(m) return m[0] .. $head end, "jo")
                chunk, n = ngx.re.sub(chunk, [[<body[^>]*>]], function(m) return m[0] .. $body end, "jo")
                if n > 0 then ngx.ctx.done = true end
                ngx.arg[1] = chunk
            }
        }
    }
    server {
        listen ADDRESS:lua_gate;
        location / {
            access_by_lua_block {
                local keep = {}
                local allowed = { sessionid = true, csrftoken = true }
                for name, value in string.gmatch(ngx.var.http_cookie or "", "([^=; ]+)=([^;]*)") do
                    if allowed[name] then keep[#keep + 1] = name .. "=" .. value end
                end
                ngx.req.set_header("Cookie", table.concat(keep, "; "))
            }
            header_filter_by_lua_block {
                local allowed = { sessionid = true, csrftoken = true }
                local set = ngx.header["Set-Cookie"]
                if set then
                    if type(set) == "string" then set = { set } end
                    local keep = {}
                    for _, line in ipairs(set) do
                        local name = string.match(line, "^%s*([^=]+)=")
                        if name and allowed[name] then keep[#keep + 1] = line end
                    end
                    ngx.header["Set-Cookie"] = keep
                end
            }
            proxy_pass http://application;
        }
    }
END
}


# One nginx with one worker; its servers' addresses are chosen here.
sub _nginx {
    my ($self, $name, $modules, $http, $ports) = @_;

    my $t = $self->{t};
    my $dir = $self->{dir};
    $self->{ports}{$_} ||= do { my ($port) = $t->listen($_) =~ /:(\d+)$/; $port } for @$ports;
    $http =~ s/ADDRESS:(\w+)/"$t->{address}:$self->{ports}{$1}"/ge;

    spew("$dir/$name.conf", <<"END");
@{[$> == 0 ? 'user nobody nogroup;' : '']}
$modules
worker_processes 1;
worker_rlimit_nofile @{[$self->{connections} ? 20_000 : 10_000]};
daemon off;
pid $dir/$name.pid;
error_log $dir/error.log notice;
lock_file $dir/$name.lock;
events { worker_connections @{[$self->{connections} // 4096]}; }
http {
    access_log off;
    types { text/html html; }
    default_type text/html;
@{[join '', map { "    $_\_temp_path $dir/temp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi)]}
$http
}
END
    my $pid = $t->spawn($t->{nginx}, '-p', "$dir/", '-c', "$dir/$name.conf", '-e', "$dir/error.log");
    my $worker;
    wait_for(sub {
        ($worker) = grep { slurp("/proc/$_/cmdline") =~ /worker process/ } split ' ', slurp("/proc/$pid/task/$pid/children");
    }) or die "$name did not start: " . $t->log;
    select undef, undef, undef, 0.3;
    return $self->{nginx}{$name} = { pid => $pid, worker => $worker, name => $name };
}


sub _quote { my ($text) = @_; $text =~ s/(['\\])/\\$1/g; $text =~ s/\$/\${dollar}/g; return $text }


# CPU nanoseconds that a process has used so far.
sub cpu {
    my ($pid) = @_;

    my ($ns) = split ' ', slurp("/proc/$pid/schedstat");
    return $ns;
}


# Sends COUNT requests to a server; what the load program says: answers, failures, seconds, bytes.
sub load {
    my ($self, $server, $connections, $count, @files) = @_;

    my $port = $self->{ports}{$server} or die "no server $server";
    my $said = `$self->{programs}/bench_load $self->{t}{address} $port $connections $count @files`;
    my ($answers, $failures, $seconds, $bytes) = $said =~ /^(\d+) (\d+) (\S+) (\d+)$/ or die "$server: the load failed\n";
    die "$server: $failures of $answers answers failed\n" if $failures;
    return { answers => $answers, seconds => $seconds, bytes => $bytes };
}


# A request as a file for the load program.
sub request {
    my ($self, $method, $uri, $headers, $body) = @_;

    my $path = "$self->{dir}/request." . ++$self->{requests};
    my @lines = ("$method $uri HTTP/1.1", 'Host: bench.example');
    my @headers = @{$headers || []};
    while (my ($name, $value) = splice @headers, 0, 2) {
        push @lines, "$name: $value";
    }
    push @lines, 'Content-Length: ' . length $body if defined $body;
    spew($path, join("\r\n", @lines, '', '') . ($body // ''));
    return $path;
}


sub stop {
    my ($self) = @_;

    $self->{t}->_end_children;
    $self->{t}->redis->stop;
}


1;

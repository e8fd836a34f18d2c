{
  description = "NovaCron: boots a node of a distributed VM management system, and keeps it up";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      # What `.ci/run` needs, and the servers that the node talks to. No lock: the shell may follow nixpkgs, the
      # versions that matter are in pnpm-lock.yaml.
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nodejs_24
            pkgs.pnpm
            pkgs.postgresql
            pkgs.redis
            pkgs.openssl
            pkgs.perl
            pkgs.prometheus
            pkgs.prometheus-alertmanager
            pkgs.etcd
            pkgs.qemu
            pkgs.zstd
            pkgs.git
          ]
          ++ pkgs.lib.optionals pkgs.stdenv.isLinux [
            pkgs.chromium
            pkgs.swtpm
            pkgs.tpm2-tools
          ];
        };
      });

      formatter = each (pkgs: pkgs.nixfmt-rfc-style);
    };
}
